"""Content hashes of stores: the current scheme, and the previous one, which can still be verified."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from steelyard_schemas.arrays import ArrayLike

__all__ = ["WORKERS", "ArrayHash", "combined_hash", "content_hash", "is_sequential", "sequential_hash"]

WORKERS = min(8, os.cpu_count() or 1)
"""Number of threads for a pass over a store; SHA-256 and the codecs release the GIL."""

PREFIX = "sha256-arrays:"


class ArrayHash:
    """Incremental SHA-256 of the bytes of one array, little-endian and in row order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, rows: np.ndarray) -> None:
        """Add the next rows."""
        if rows.size:  # a view without elements cannot be cast
            self._digest.update(memoryview(_little(rows)).cast("B"))

    def line(self, name: str, array: ArrayLike) -> str:
        """Return the line for this array in a store's hash: name, type, shape and digest of the bytes."""
        dtype = np.dtype(array.dtype).newbyteorder("<")
        return f"{name} {dtype.str} {tuple(array.shape)} {self._digest.hexdigest()}\n"


def combined_hash(model: Mapping[str, Any], lines: Mapping[str, str]) -> str:
    """Return the content hash: SHA-256 over the model (without the hash) and each array's `ArrayHash.line`.

    Each array has its own digest, so that all can be computed in threads in one pass over the rows. The model is the
    stored plain data, so that the hash of an old store survives migrations.
    """
    digest = hashlib.sha256(_model_bytes(model))
    for name in sorted(lines):
        digest.update(lines[name].encode())
    return PREFIX + digest.hexdigest()


def content_hash(model: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the hash of a store with this model and these arrays (see `combined_hash`)."""

    def line(name: str) -> str:
        digest = ArrayHash()
        digest.update(arrays[name])
        return digest.line(name, arrays[name])

    with ThreadPoolExecutor(WORKERS) as pool:
        return combined_hash(model, dict(zip(arrays, pool.map(line, arrays), strict=True)))


def is_sequential(found: str) -> bool:
    """Whether a hash follows the scheme of `sequential_hash`."""
    return not found.startswith(PREFIX)


def sequential_hash(model: Mapping[str, Any], arrays: Mapping[str, Any]) -> str:
    """Return the hash of the earliest stores: one SHA-256 over the model and all arrays in sequence.

    Arrays on disk are read one at a time.
    """
    digest = hashlib.sha256(_model_bytes(model))
    for name in sorted(arrays):
        little = _little(np.asarray(arrays[name]))
        digest.update(f"{name} {little.dtype.str} {little.shape}".encode())
        if little.size:  # a view without elements cannot be cast
            digest.update(memoryview(little).cast("B"))
    return "sha256:" + digest.hexdigest()


def _model_bytes(model: Mapping[str, Any]) -> bytes:
    rest = {name: value for name, value in model.items() if name != "content_hash"}
    return json.dumps(rest, sort_keys=True).encode()


def _little(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
