"""On-disk layout of a store: one Zarr v3 group, with the model in its attribute `steelyard`.

Each array carries its dimension names and unit, so that xarray and ArviZ open a store without this package. The
arrays whose first dimension is `row` share one chunk length, so that rows can be read and written in blocks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard_schemas.arrays import ArraySpec, array_problems
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.names import member_files, safe_member
from steelyard_schemas.reading import MOST_BYTES, read_json

if TYPE_CHECKING:  # takes half a second to load; models in files do without
    import zarr

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
"""Bytes of the largest array per block of rows: large compared with file overhead, small enough for many cores."""
MOST_CHUNK_BYTES = 2**31 - 1
"""Maximum size of a chunk that is read [bytes], a limit of the codecs."""
MOST_COMPRESSION = 100_000
"""Maximum compression factor of an array; Zstandard reaches 32,768 bytes in four."""


def by_row(spec: ArraySpec) -> bool:
    """Whether an array has the leading dimension `row`."""
    return spec.dims[:1] == ("row",)


def chunk_rows(shapes: Mapping[ArraySpec, tuple[int, ...]]) -> int:
    """Return the rows per chunk, common to all arrays, so that the largest chunk has `CHUNK_BYTES`."""
    row_bytes = max(np.dtype(spec.dtype).itemsize * math.prod(shape[1:]) for spec, shape in shapes.items())
    rows = max(shape[0] for shape in shapes.values())
    return max(1, min(rows, CHUNK_BYTES // max(1, row_bytes)))


def add_array(group: zarr.Group, spec: ArraySpec, shape: tuple[int, ...], rows: int) -> zarr.Array:
    """Create an array of a store, with chunks of `rows` entries along its first dimension."""
    return group.create_array(
        spec.name,
        shape=shape,
        dtype=spec.dtype,
        chunks=tuple(max(1, n) for n in (rows, *shape[1:])),
        dimension_names=spec.dims,
        attributes={"units": spec.unit, "long_name": spec.meaning},
        # Empty chunks are written too, so that a missing one always means damage.
        config={"write_empty_chunks": True},
    )


def finish_group(group: zarr.Group, path: Path, manifest: StoreContract) -> None:
    """Write the model into a group whose arrays are complete."""
    import zarr

    group.attrs[ATTRIBUTE] = manifest.model_dump(mode="json")
    with warnings.catch_warnings():
        # xarray looks for consolidated metadata first and warns if it is missing; Zarr warns that the v3
        # specification has not adopted it yet. Other readers ignore it.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)


def is_store(path: str | Path) -> bool:
    """Whether `path` is a folder containing a Zarr v3 group."""
    return (Path(path) / METADATA).is_file()


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Return the raw, unchecked model of a store.

    Raises:
        ContractError: the path is not a Steelyard store.
    """
    path = Path(path)
    if not is_store(path):
        raise ContractError(path, "is not a Zarr v3 store (no zarr.json in it)")
    metadata = read_json(safe_member(path, METADATA))
    attributes = metadata.get("attributes")
    if not isinstance(attributes, dict) or not isinstance(attributes.get(ATTRIBUTE), dict):
        raise ContractError(path, f"is a Zarr store but not a Steelyard store (no '{ATTRIBUTE}' attribute)")
    return attributes[ATTRIBUTE]


def open_arrays(path: Path, specs: Iterable[ArraySpec]) -> dict[str, zarr.Array]:
    """Open the arrays of a store without reading them.

    Raises:
        ContractError: an array is missing, unexpected, truncated, larger than its files allow or violates its spec
            (all problems are listed), or the store contains links or devices.

    """
    import zarr

    specs = tuple(specs)
    sizes = member_files(path)
    if long := [name for name, size in sizes.items() if name.endswith(METADATA) and size > MOST_BYTES]:
        raise ContractError(path, [f"{name} is longer than {MOST_BYTES:,} bytes" for name in long])
    try:
        # Without the consolidated metadata, which could differ from the arrays that are read.
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
    """Return the file sizes of one array by relative name."""
    return {file[len(name) + 1 :]: size for file, size in sizes.items() if file.startswith(f"{name}/")}


def _file_problems(name: str, array: zarr.Array, files: Mapping[str, int]) -> list[str]:
    """Compare the declared size of an array with its files before anything is allocated."""
    if array.shards is not None:
        return [f"array '{name}' is sharded, which is not read: write it without shards"]
    grid = [-(-n // max(1, chunk)) for n, chunk in zip(array.shape, array.chunks, strict=True)]
    n_chunks, n_files = math.prod(grid), len(files.keys() - {METADATA})
    # Zarr fills missing chunks with zeros; a truncated store must not be read as empty sky.
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
