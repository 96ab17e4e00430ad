"""Contracts with arrays on disk: one Zarr v3 group per store, written atomically, guarded by a hash.

The model is the group's attribute `steelyard`; each array carries its dimension names and unit, so that
xarray and ArviZ open a store without this package.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from steelyard_schemas.arrays import ArraySpec, array_problems
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.registry import parse

__all__ = ["Store", "atomic_path", "is_store", "read_manifest", "read_store", "write_store"]

ATTRIBUTE = "steelyard"
CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Store[M: StoreContract]:
    """A contract and its arrays in memory: `store.manifest.field`, `store["array"]`."""

    manifest: M
    arrays: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def check(self, where: object = "data in memory") -> None:
        """Raise ContractError with every fault of the arrays."""
        if problems := array_problems(self.manifest.array_specs(), self.arrays):
            raise ContractError(where, problems)


@contextmanager
def atomic_path(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary sibling of `target` that takes its place only if the block succeeds.

    Works for files and folders. Raises ContractError if `target` exists and `overwrite` is false.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise ContractError(target, "exists already; choose another name or allow overwriting")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and target.exists():
            # A folder cannot be replaced in one step; the old one stays whole under another name until the
            # new one is in place.
            old = target.with_name(f".{target.name}.{os.getpid()}.old")
            _remove(old)
            target.rename(old)
            try:
                temporary.rename(target)
            except OSError:
                old.rename(target)
                raise
            _remove(old)
        else:
            temporary.replace(target)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def content_hash(model: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 over the model (less the hash itself) and every array's name, type, shape and bytes.

    The model is plain data as the store holds it, so that the hash of an old store outlives migrations.
    """
    digest = hashlib.sha256()
    rest = {name: value for name, value in model.items() if name != "content_hash"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {little.dtype.str} {little.shape}".encode())
        if little.size:  # a view without elements cannot be cast
            digest.update(memoryview(little).cast("B"))
    return "sha256:" + digest.hexdigest()


def write_store[M: StoreContract](path: str | Path, store: Store[M], *, overwrite: bool = False) -> Store[M]:
    """Check and write a store; return it with its `content_hash` filled in.

    Raises:
        ContractError: the arrays break the contract, or `path` exists and `overwrite` is false.

    """
    path = Path(path)
    store.check(path)
    found = content_hash(store.manifest.model_dump(mode="json"), store.arrays)
    manifest = store.manifest.model_copy(update={"content_hash": found})
    with atomic_path(path, overwrite=overwrite) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        for spec in manifest.array_specs():
            _write_array(group, spec, store.arrays[spec.name])
        group.attrs[ATTRIBUTE] = manifest.model_dump(mode="json")
        with warnings.catch_warnings():
            # xarray looks for consolidated metadata first and warns where there is none; Zarr warns that the v3
            # specification has not adopted it yet. Readers that do not know it ignore it.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(temporary)
    return Store(manifest, store.arrays)


def _write_array(group: zarr.Group, spec: ArraySpec, array: np.ndarray) -> None:
    rows = array.shape[0] if array.ndim else 1
    row_bytes = max(1, array.nbytes // max(1, rows))
    chunks = (max(1, min(rows, CHUNK_BYTES // row_bytes)), *array.shape[1:])
    target = group.create_array(
        spec.name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=tuple(max(1, n) for n in chunks) if array.ndim else (),
        dimension_names=spec.dims,
        attributes={"units": spec.unit, "long_name": spec.meaning},
        # Empty chunks are written too, so that an absent one always means damage.
        config={"write_empty_chunks": True},
    )
    target[...] = array


def is_store(path: str | Path) -> bool:
    """Tell whether `path` is a folder with a Zarr v3 group in it."""
    return (Path(path) / "zarr.json").is_file()


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Return the raw model of a store, unchecked."""
    path = Path(path)
    if not is_store(path):
        raise ContractError(path, "is not a Zarr v3 store (no zarr.json in it)")
    try:
        metadata = json.loads((path / "zarr.json").read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ContractError(path, f"zarr.json is damaged ({error})") from error
    attributes = metadata.get("attributes") if isinstance(metadata, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get(ATTRIBUTE), dict):
        raise ContractError(path, f"is a Zarr store but not one of Steelyard's (no '{ATTRIBUTE}' attribute)")
    return attributes[ATTRIBUTE]


def read_store[M: StoreContract](path: str | Path, expect: type[M]) -> Store[M]:
    """Open a store, check model, arrays and hash, and return it loaded.

    Raises:
        ContractError: not a store, of another kind, of a newer version, truncated or altered.

    """
    path = Path(path)
    raw = read_manifest(path)
    manifest = parse(raw, where=path)
    if not isinstance(manifest, expect):
        wanted = expect.model_fields["kind"].default
        raise ContractError(path, f"holds '{manifest.kind}', expected '{wanted}'")
    arrays = _read_arrays(path, manifest)
    if (found := content_hash(raw, arrays)) != manifest.content_hash:
        raise ContractError(
            path,
            f"content does not match its hash (found {found[:18]}..., expected {manifest.content_hash[:18]}...): "
            "the store was damaged or edited; write it again",
        )
    return Store(manifest, arrays)


def _read_arrays(path: Path, manifest: StoreContract) -> dict[str, np.ndarray]:
    specs = manifest.array_specs()
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        stored = {spec.name: group[spec.name] for spec in specs if spec.name in group}
        stored |= {name: array for name, array in group.arrays() if name not in stored}
    except Exception as error:  # Zarr raises many types for damaged metadata
        raise ContractError(path, f"Zarr cannot open it: {error}") from error
    if problems := array_problems(specs, stored):
        raise ContractError(path, problems)
    arrays = {}
    problems = []
    for name, array in stored.items():
        # Zarr fills chunks that are absent with zeros; a truncated store must not read as empty sky.
        if array.nchunks_initialized < array.nchunks:
            problems.append(
                f"array '{name}' is truncated ({array.nchunks_initialized} of {array.nchunks} chunks present)"
            )
            continue
        try:
            arrays[name] = np.asarray(array[...])
        except Exception as error:  # a damaged chunk fails in whichever codec meets it
            problems.append(f"array '{name}' cannot be read ({type(error).__name__}: {error})")
    if problems:
        raise ContractError(path, problems)
    return arrays
