"""Contracts with arrays, in memory and on disk: written atomically and protected by a hash.

Whole stores are handled by `steelyard_schemas.stream` in one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelyard_schemas.arrays import array_problems
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.layout import by_row
from steelyard_schemas.stream import open_store, write_stream

__all__ = ["Store", "read_store", "write_store"]


@dataclass(frozen=True, eq=False)
class Store[M: StoreContract]:
    """A contract and its arrays in memory: `store.manifest.field`, `store["array"]`."""

    manifest: M
    arrays: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def check(self, where: object = "data in memory") -> None:
        """Raise ContractError listing all problems of the arrays."""
        if problems := array_problems(self.manifest.array_specs(), self.arrays):
            raise ContractError(where, problems)


def write_store[M: StoreContract](path: str | Path, store: Store[M], *, overwrite: bool = False) -> Store[M]:
    """Check and write a store; return it with its `content_hash` filled in.

    Raises:
        ContractError: the arrays violate the contract, or `path` exists and `overwrite` is false.

    """
    path = Path(path)
    store.check(path)
    block = {spec.name: store[spec.name] for spec in store.manifest.array_specs() if by_row(spec)}
    small = {name: values for name, values in store.arrays.items() if name not in block}
    n_rows = next((len(values) for values in block.values()), 0)
    manifest = write_stream(path, store.manifest, small, n_rows, [block] if block else [], overwrite=overwrite)
    return Store(manifest, store.arrays)


def read_store[M: StoreContract](path: str | Path, expect: type[M]) -> Store[M]:
    """Open a store, check model, arrays and hash, and return it loaded.

    Raises:
        ContractError: the path is not a store of this kind, or the store is newer, truncated or altered.

    """
    reader = open_store(path, expect)
    return Store(reader.manifest, reader.load())
