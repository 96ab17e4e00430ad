"""Array contracts: names, dimensions, types and units, and a check that reports all problems at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["ArrayLike", "ArraySpec", "array_problems"]


class ArrayLike(Protocol):
    """Interface shared by NumPy and Zarr arrays that the check needs."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype: ...  # noqa: D102


class ArraySpec(NamedTuple):
    """Specification of one array of a store."""

    name: str
    """Name of the array."""
    dims: tuple[str, ...]
    """Names of the dimensions; equal names must have equal length across a store."""
    dtype: str
    """NumPy data type."""
    unit: str
    """Unit, empty if dimensionless."""
    meaning: str
    """Short description."""


def array_problems(specs: Iterable[ArraySpec], arrays: Mapping[str, ArrayLike]) -> list[str]:
    """Compare arrays with their specs; return one sentence (what, found, expected) per problem."""
    specs = tuple(specs)
    problems = []
    lengths: dict[str, tuple[int, str]] = {}
    for spec in specs:
        if spec.name not in arrays:
            problems.append(f"array '{spec.name}' is missing")
            continue
        array = arrays[spec.name]
        if np.dtype(array.dtype) != np.dtype(spec.dtype):
            problems.append(f"array '{spec.name}' has dtype {array.dtype}, expected {spec.dtype}")
        if len(array.shape) != len(spec.dims):
            problems.append(
                f"array '{spec.name}' has {len(array.shape)} dimensions, expected ({', '.join(spec.dims)})"
            )
            continue
        for dim, length in zip(spec.dims, array.shape, strict=True):
            first, where = lengths.setdefault(dim, (length, spec.name))
            if length != first:
                problems.append(f"array '{spec.name}' has {length} along '{dim}', expected {first} as in '{where}'")
    known = {spec.name for spec in specs}
    problems += [f"array '{name}' is not part of the contract" for name in arrays if name not in known]
    return problems
