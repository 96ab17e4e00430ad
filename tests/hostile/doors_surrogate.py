"""Surrogate artifacts and registries."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
from steelyard_schemas import part_hash

from .case import Case, change, cut, edit_json, flip, take

Spoil = Callable[[Path], object]


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for name, spoil in _spoilers().items():
        yield Case("surrogate", f"{name}, shown", _artifact(spoil, ["nuker-surrogate", "show", "./surrogate"]))
        publish = ["steelyard", "surrogate", "publish", "surrogate", "--registry", "registry"]
        yield Case("surrogate", f"{name}, published", _artifact(spoil, publish))
    for name, spoil in _registries().items():
        show = ["steelyard", "surrogate", "show", "7.0.0", "--registry", "registry"]
        yield Case("surrogate", f"registry: {name}", _registry(spoil, show))
    for name in (
        "../surrogate",
        "1.1.0\x1b[2J",
        "999999999999.0.0",
        "file:///etc",
        "",
        "x" * 5000,
        "memory://nothing",
    ):
        # What is no version is a path.
        yield Case("surrogate", f"called {name[:20]!r}", _plain(["nuker-surrogate", "show", name or " "]))
    for name in ("memory://empty", "odd://bucket", "file:///dev/null", "registry\x1b[2J", "x" * 5000, "github://"):
        show = ["nuker-surrogate", "show", "7.0.0", "--registry", name]
        yield Case("surrogate", f"registry called {name[:20]!r}", _plain(show))


def _spoilers() -> dict[str, Spoil]:
    def manifest(**changed: Any) -> Spoil:
        return lambda folder: edit_json(folder / "manifest.json", lambda document: document | changed)

    def weights(make: Callable[[], bytes]) -> Spoil:
        def spoil(folder: Path) -> None:
            (folder / "weights.msgpack").write_bytes(make())
            files = json.loads((folder / "manifest.json").read_text())["files"]
            files["weights.msgpack"] = part_hash(folder / "weights.msgpack")
            edit_json(folder / "manifest.json", lambda document: document | {"files": files})

        return spoil

    def entry(name: str) -> Spoil:
        def edit(document: Any) -> None:
            document["files"][name] = "sha256:" + "0" * 64

        return lambda folder: edit_json(folder / "manifest.json", edit)

    def linked(folder: Path) -> None:
        target = folder / "weights.msgpack"
        target.rename(folder.parent / "weights")
        target.symlink_to(folder.parent / "weights")

    def linked_folder(folder: Path) -> None:
        target = folder / "validation.zarr"
        target.rename(folder.parent / "validation")
        target.symlink_to(folder.parent / "validation")

    def pipe(folder: Path) -> None:
        (folder / "weights.msgpack").unlink()
        os.mkfifo(folder / "weights.msgpack")

    def linked_manifest(folder: Path) -> None:
        (folder / "manifest.json").unlink()
        (folder / "manifest.json").symlink_to("/dev/zero")

    array = {"dtype": "<f4", "shape": [10**9, 10**9], "data": b""}
    objects = {"dtype": "|O", "shape": [1], "data": b"12345678"}
    not_finite = {"dtype": "<f4", "shape": [1], "data": b"\xff\xff\xff\xff"}
    return {
        "an entry above": entry("../outside"),
        "an absolute entry": entry("/etc/passwd"),
        "an entry that commands": entry("\x1b[2J"),
        "an entry of a backslash": entry("..\\outside"),
        "an entry of 5000 characters": entry("x" * 5000),
        "a missing entry": entry("absent.zarr"),
        "linked weights": linked,
        "a linked folder": linked_folder,
        "a linked manifest": linked_manifest,
        "weights from a pipe": pipe,
        "weights of random bytes": weights(lambda: bytes(range(256)) * 8),
        "no weights": weights(lambda: b""),
        "weights of nothing": weights(lambda: msgpack.packb({})),
        "weights of a list": weights(lambda: msgpack.packb([])),
        "weights of a huge shape": weights(lambda: msgpack.packb({"linear": array})),
        "weights of objects": weights(lambda: msgpack.packb({"linear": objects})),
        "weights of NaN": weights(lambda: msgpack.packb({"linear": not_finite})),
        "weights nested to recursion": weights(lambda: b"\x91" * 100_000),
        "weights of a claimed gigabyte": weights(lambda: b"\x81\xa1a\xc6\x3f\xff\xff\xff"),
        "weights of a foreign type": weights(lambda: msgpack.packb({"linear": msgpack.ExtType(1, b"code")})),
        "flipped weights": lambda folder: change(folder / "weights.msgpack", flip(0.5)),
        "widths of NaN": manifest(sigma_pc=[float("nan")] * 64),
        "widths below zero": manifest(sigma_pc=[-1.0] * 64),
        "no widths": manifest(sigma_pc=[]),
        "two widths": manifest(sigma_pc=[1.0, 2.0]),
        "scales of zero": manifest(input_scale=[0.0] * 4),
        "means of infinity": manifest(input_mean=[float("inf")] * 4),
        "a layer of 1e12": manifest(hidden=[10**12]),
        "an unknown head": manifest(head="exec"),
        "a version of dots": manifest(version="../.."),
        "a version of control characters": manifest(version="1.0.0\x1b[2J"),
        "a version of a list": manifest(version=[1]),
        "a domain of NaN": manifest(domain={"alpha": {"low": float("nan"), "high": 1.0}}),
        "errors of nothing": manifest(errors=[{}]),
        "a manifest of a list": lambda folder: (folder / "manifest.json").write_text("[]"),
        "an empty manifest": lambda folder: (folder / "manifest.json").write_text(""),
        "a cut manifest": lambda folder: change(folder / "manifest.json", cut(0.5)),
        "a nested manifest": lambda folder: (folder / "manifest.json").write_bytes(b'{"a":' * 100_000),
    }


def _registries() -> dict[str, Spoil]:
    def artifact_elsewhere(folder: Path) -> None:
        (folder / "7.0.0").mkdir()

    def renamed(folder: Path) -> None:
        shutil.copytree(folder.parent / "surrogate", folder / "7.0.0")

    def linked(folder: Path) -> None:
        renamed(folder)
        edit_json(folder / "7.0.0" / "manifest.json", lambda document: document | {"version": "7.0.0"})
        (folder / "7.0.0" / "weights.msgpack").unlink()
        (folder / "7.0.0" / "weights.msgpack").symlink_to(folder.parent / "surrogate" / "weights.msgpack")

    def manifest_is_a_folder(folder: Path) -> None:
        (folder / "7.0.0" / "manifest.json").mkdir(parents=True)

    def version_is_a_file(folder: Path) -> None:
        (folder / "7.0.0").write_text("")

    def manifest_is_a_pipe(folder: Path) -> None:
        (folder / "7.0.0").mkdir()
        os.mkfifo(folder / "7.0.0" / "manifest.json")

    def odd_names(folder: Path) -> None:
        for name in ("\x1b[2J", "..x", "1.0", "x" * 200):
            (folder / name).mkdir()

    return {
        "empty": lambda folder: None,
        "a folder without manifest": artifact_elsewhere,
        "another version": renamed,
        "linked weights": linked,
        "a manifest that is a folder": manifest_is_a_folder,
        "a manifest that is a pipe": manifest_is_a_pipe,
        "a version that is a file": version_is_a_file,
        "odd names": odd_names,
        "a file": lambda folder: (folder.rmdir(), folder.write_text("")),
    }


def _artifact(spoil: Spoil, argv: list[str]) -> Callable[[Path, Path], list[str]]:
    def build(folder: Path, valid: Path) -> list[str]:
        (folder / "registry").mkdir()
        # A version of its own: shipped ones are refused whatever is in them.
        artifact = take(folder, valid, "surrogate")
        edit_json(artifact / "manifest.json", lambda document: document | {"version": "7.0.0"})
        spoil(artifact)
        return argv

    return build


def _registry(spoil: Spoil, argv: list[str]) -> Callable[[Path, Path], list[str]]:
    def build(folder: Path, valid: Path) -> list[str]:
        take(folder, valid, "surrogate")
        (folder / "registry").mkdir()
        spoil(folder / "registry")
        return argv

    return build


def _plain(argv: list[str]) -> Callable[[Path, Path], list[str]]:
    return lambda folder, valid: argv
