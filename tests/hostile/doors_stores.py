"""Our own Zarr stores: visibilities, gridded visibilities, posteriors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import GRID, Build, Case, change, cut, edit_json, flip, take

KINDS = ("visibilities", "gridded_visibilities", "posterior")
ARRAY = {"visibilities": "vis", "gridded_visibilities": "mean", "posterior": "posterior/log10_mbh"}


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for kind in KINDS:
        for name, spoil in _spoilers(ARRAY[kind]).items():
            yield Case("store", f"{kind}: {name}", _spoiled(kind, spoil))
    for name in ("1e12 rows", "a flipped byte in a chunk", "no metadata of an array"):
        spoil = _spoilers("vis")[name]
        yield Case("store", f"gridded: {name}", _spoiled("visibilities", spoil, ["vis-gridder", "grid", *GRID]))
        yield Case("store", f"looked at: {name}", _spoiled("visibilities", spoil, ["vis-gridder", "info"]))


def _spoilers(array: str) -> dict[str, Callable[[Path], object]]:
    def of_array(edit: Callable[[Any], object]) -> Callable[[Path], object]:
        return lambda store: edit_json(store / array / "zarr.json", edit)

    def of_model(**changed: Any) -> Callable[[Path], object]:
        def edit(document: Any) -> None:
            document["attributes"]["steelyard"] |= changed

        return lambda store: edit_json(store / "zarr.json", edit)

    def chunk(store: Path) -> Path:
        return next(path for path in sorted((store / array / "c").rglob("*")) if path.is_file())

    def renamed(store: Path) -> None:
        (store / array).rename(store / "\x1b[2J")

    def linked(store: Path) -> None:
        target = chunk(store)
        target.unlink()
        target.symlink_to("/dev/zero")

    def piped(store: Path) -> None:
        target = chunk(store)
        target.unlink()
        os.mkfifo(target)

    def consolidated(document: Any) -> None:
        document["consolidated_metadata"]["metadata"] = {"../../outside": {"node_type": "array"}}
        document["attributes"]["steelyard"]["content_hash"] = "sha256:" + "0" * 64

    return {
        "1e12 rows": of_array(lambda document: document.update(shape=[10**12, *document["shape"][1:]])),
        "1e12 rows in one chunk": of_array(_huge_chunk),
        "rows below zero": of_array(lambda document: document.update(shape=[-1, *document["shape"][1:]])),
        "no shape": of_array(lambda document: document.update(shape=[])),
        "a shape of text": of_array(lambda document: document.update(shape="large")),
        "a chunk of zero": of_array(
            lambda document: document["chunk_grid"]["configuration"].update(chunk_shape=[0] * len(document["shape"]))
        ),
        "an unknown codec": of_array(lambda document: document.update(codecs=[{"name": "\x1b[31mexec"}])),
        "no codec": of_array(lambda document: document.update(codecs=[])),
        "an unknown type": of_array(lambda document: document.update(data_type="object")),
        "another type": of_array(lambda document: document.update(data_type="int16")),
        "metadata of a list": of_array(lambda document: []),
        "no metadata of an array": lambda store: (store / array / "zarr.json").unlink(),
        "metadata nested to recursion": lambda store: (store / array / "zarr.json").write_bytes(b"[" * 100_000),
        "nested metadata of the group": lambda store: (store / "zarr.json").write_bytes(b'{"attributes":' * 50_000),
        "nested model": of_model(observation=_nested(500)),
        "metadata that is cut": lambda store: change(store / "zarr.json", cut(0.5)),
        "metadata that is empty": lambda store: change(store / "zarr.json", cut(0)),
        "a name that commands": renamed,
        "a missing chunk": lambda store: chunk(store).unlink(),
        "an empty chunk": lambda store: change(chunk(store), cut(0)),
        "half a chunk": lambda store: change(chunk(store), cut(0.5)),
        "a flipped byte in a chunk": lambda store: change(chunk(store), flip(0.5)),
        "a flipped head of a chunk": lambda store: change(chunk(store), flip(0.0, 4)),
        "a chunk that is a device": linked,
        "a chunk that is a pipe": piped,
        "consolidated names that lead out": lambda store: edit_json(store / "zarr.json", consolidated),
        "a kind of a list": of_model(kind=["visibilities"]),
        "a version of a list": of_model(schema_version=["1", "1"]),
        "a version to come": of_model(schema_version="99.0"),
        "a hash that is none": of_model(content_hash="\x1b[2J"),
        "a field too many": of_model(**{"\x1b[2J": 1}),
        "a model of a list": lambda store: edit_json(
            store / "zarr.json", lambda document: document["attributes"].update(steelyard=[])
        ),
    }


def _huge_chunk(document: Any) -> None:
    shape = [10**12, *document["shape"][1:]]
    document["shape"] = document["chunk_grid"]["configuration"]["chunk_shape"] = shape


def _nested(depth: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(depth):
        nested = {"a": nested}
    return nested


def _spoiled(kind: str, spoil: Callable[[Path], object], argv: list[str] | None = None) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        spoil(take(folder, valid, f"{kind}.zarr"))
        return [*(argv or ["steelyard", "validate"]), f"{kind}.zarr"]

    return build
