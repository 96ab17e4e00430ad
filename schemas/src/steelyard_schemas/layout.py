"""How a store lies on disk: one Zarr v3 group, the model in its attribute `steelyard`.

Each array carries its dimension names and unit, so that xarray and ArviZ open a store without this package. The
arrays that lead with the dimension `row` share one chunk length, so that rows can come and go in blocks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from steelyard_schemas.arrays import ArraySpec, array_problems
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.names import member_files, safe_member
from steelyard_schemas.reading import MOST_BYTES, read_json

__all__ = [
    "add_array",
    "by_row",
    "chunk_rows",
    "finish_group",
    "is_store",
    "open_arrays",
    "read_manifest",
]

ATTRIBUTE = "steelyard"
METADATA = "zarr.json"
CHUNK_BYTES = 8 * 2**20
"""Of the largest array in a block of rows: far above what a file costs, and enough chunks for every core."""
MOST_CHUNK_BYTES = 2**31 - 1
"""Of a chunk that is read: what the codecs can hold."""
MOST_COMPRESSION = 100_000
"""Bytes of an array per byte in its files. Zstandard makes 32,768 equal bytes four, and nothing smaller."""


def by_row(spec: ArraySpec) -> bool:
    """Tell whether an array has a value, or values, for each row."""
    return spec.dims[:1] == ("row",)


def chunk_rows(shapes: Mapping[ArraySpec, tuple[int, ...]]) -> int:
    """Return how many rows a chunk has: all arrays the same, the largest of them `CHUNK_BYTES`."""
    row_bytes = max(np.dtype(spec.dtype).itemsize * math.prod(shape[1:]) for spec, shape in shapes.items())
    rows = max(shape[0] for shape in shapes.values())
    return max(1, min(rows, CHUNK_BYTES // max(1, row_bytes)))


def add_array(group: zarr.Group, spec: ArraySpec, shape: tuple[int, ...], rows: int) -> zarr.Array:
    """Create an array of a store, in chunks of so many entries along its first dimension."""
    return group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        chunks=tuple(max(1, n) for n in (rows, *shape[1:])),
        dimension_names=spec.dims,
        attributes={"units": spec.unit, "long_name": spec.meaning},
        # Empty chunks are written too, so that an absent one always means damage.
        config={"write_empty_chunks": True},
    )


def finish_group(group: zarr.Group, path: Path, manifest: StoreContract) -> None:
    """Write the model into a group whose arrays are complete."""
    group.attrs[ATTRIBUTE] = manifest.model_dump(mode="json")
    with warnings.catch_warnings():
        # xarray looks for consolidated metadata first and warns where there is none; Zarr warns that the v3
        # specification has not adopted it yet. Readers that do not know it ignore it.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)


def is_store(path: str | Path) -> bool:
    """Tell whether `path` is a folder with a Zarr v3 group in it."""
    return (Path(path) / METADATA).is_file()


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Return the raw model of a store, unchecked."""
    path = Path(path)
    if not is_store(path):
        raise ContractError(path, "is not a Zarr v3 store (no zarr.json in it)")
    metadata = read_json(safe_member(path, METADATA))
    attributes = metadata.get("attributes")
    if not isinstance(attributes, dict) or not isinstance(attributes.get(ATTRIBUTE), dict):
        raise ContractError(path, f"is a Zarr store but not one of Steelyard's (no '{ATTRIBUTE}' attribute)")
    return attributes[ATTRIBUTE]


def open_arrays(path: Path, specs: Iterable[ArraySpec]) -> dict[str, zarr.Array]:
    """Open the arrays of a store without reading them.

    Raises:
        ContractError: an array is missing, too many, truncated, larger than its files can hold or not as its spec
            says; all are listed. Or there is more in the store than files and folders.

    """
    specs = tuple(specs)
    sizes = member_files(path)
    if long := [name for name, size in sizes.items() if name.endswith(METADATA) and size > MOST_BYTES]:
        raise ContractError(path, [f"{name} is longer than {MOST_BYTES:,} bytes" for name in long])
    try:
        # Not by the consolidated metadata, which could describe other arrays than those that are read.
        group = zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=False)
        members = {spec.name: group[spec.name] for spec in specs if spec.name in group}
        members |= {name: array for name, array in group.arrays() if name not in members}
        stored = {name: array for name, array in members.items() if isinstance(array, zarr.Array)}
        problems = array_problems(specs, stored) or [
            problem for name, array in stored.items() for problem in _file_problems(name, array, _below(sizes, name))
        ]
    except Exception as error:  # Zarr raises many types for damaged metadata
        raise ContractError(path, f"Zarr cannot open it: {error}") from error
    if problems:
        raise ContractError(path, problems)
    return stored


def _below(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    """Return the files of one array, by their names within it."""
    return {file[len(name) + 1 :]: size for file, size in sizes.items() if file.startswith(f"{name}/")}


def _file_problems(name: str, array: zarr.Array, files: Mapping[str, int]) -> list[str]:
    """Compare what an array claims to hold with its files, before anything is allocated or counted through."""
    if array.shards is not None:
        return [f"array '{name}' is sharded, which is not read: write it without shards"]
    grid = [-(-n // max(1, chunk)) for n, chunk in zip(array.shape, array.chunks, strict=True)]
    n_chunks, n_files = math.prod(grid), len(files.keys() - {METADATA})
    # Zarr fills chunks that are absent with zeros; a truncated store must not read as empty sky.
    if n_chunks > n_files:
        return [f"array '{name}' is truncated ({n_files} of {n_chunks} chunks present)"]
    present = sum(array.metadata.encode_chunk_key(place) in files for place in np.ndindex(*grid))
    if n_chunks > present:
        return [f"array '{name}' is truncated ({present} of {n_chunks} chunks present)"]
    n_bytes, chunk_bytes = (array.dtype.itemsize * math.prod(shape) for shape in (array.shape, array.chunks))
    if n_chunks and chunk_bytes > MOST_CHUNK_BYTES:
        return [f"array '{name}' has chunks of {chunk_bytes:,} bytes, expected {MOST_CHUNK_BYTES:,} at most"]
    if n_bytes > MOST_COMPRESSION * sum(files.values()):
        return [f"array '{name}' claims {n_bytes:,} bytes, more than its {sum(files.values()):,} in files can hold"]
    return []
