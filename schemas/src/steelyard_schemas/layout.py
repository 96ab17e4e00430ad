"""How a store lies on disk: one Zarr v3 group, the model in its attribute `steelyard`.

Each array carries its dimension names and unit, so that xarray and ArviZ open a store without this package. The
arrays that lead with the dimension `row` share one chunk length, so that rows can come and go in blocks.
"""

from __future__ import annotations

import json
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
CHUNK_BYTES = 8 * 2**20
"""Of the largest array in a block of rows: far above what a file costs, and enough chunks for every core."""


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


def open_arrays(path: Path, specs: Iterable[ArraySpec]) -> dict[str, zarr.Array]:
    """Open the arrays of a store without reading them.

    Raises:
        ContractError: an array is missing, too many, truncated or not as its spec says; all are listed.

    """
    specs = tuple(specs)
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        stored = {spec.name: group[spec.name] for spec in specs if spec.name in group}
        stored |= {name: array for name, array in group.arrays() if name not in stored}
    except Exception as error:  # Zarr raises many types for damaged metadata
        raise ContractError(path, f"Zarr cannot open it: {error}") from error
    problems = array_problems(specs, stored) or [
        # Zarr fills chunks that are absent with zeros; a truncated store must not read as empty sky.
        f"array '{name}' is truncated ({array.nchunks_initialized} of {array.nchunks} chunks present)"
        for name, array in stored.items()
        if array.nchunks_initialized < array.nchunks
    ]
    if problems:
        raise ContractError(path, problems)
    return stored
