"""Weights of an artifact: named arrays, or lists of them, in one msgpack message; never pickled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from steelyard_schemas.errors import ContractError
from steelyard_schemas.reading import parse_msgpack, read_bytes

__all__ = ["pack_weights", "read_weights"]

MOST_WEIGHTS_BYTES = 256 * 2**20
_DTYPES = ("<f4", "<f8")

type Weight = np.ndarray | tuple[np.ndarray, ...]


def pack_weights(weights: Mapping[str, np.ndarray | Sequence[np.ndarray]]) -> bytes:
    """Pack weights into the message read by `read_weights`."""
    return msgpack.packb(
        {
            name: _packed(value) if isinstance(value, np.ndarray) else [_packed(array) for array in value]
            for name, value in weights.items()
        }
    )


def read_weights(path: str | Path) -> dict[str, Weight]:
    """Read the arrays of a weights file, checking their sizes and that all numbers are finite.

    Raises:
        ContractError: the file cannot be read, is longer than 256 MiB, or contains anything else.

    """
    plain = parse_msgpack(read_bytes(path, MOST_WEIGHTS_BYTES), where=path)
    try:
        return {
            str(name): tuple(_array(f"{name}.{i}", one) for i, one in enumerate(value))
            if isinstance(value, list)
            else _array(str(name), value)
            for name, value in plain.items()
        }
    except ValueError as error:
        raise ContractError(path, f"holds no weights: {error}") from error


def _packed(array: np.ndarray) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": little.dtype.str, "shape": list(little.shape), "data": little.tobytes()}


def _array(name: str, plain: object) -> np.ndarray:
    if not isinstance(plain, dict) or plain.keys() != {"dtype", "shape", "data"}:
        raise ValueError(f"{name!r} is no array of dtype, shape and data")
    dtype, shape, data = plain["dtype"], plain["shape"], plain["data"]
    if dtype not in _DTYPES:
        raise ValueError(f"{name!r} has another dtype than {' or '.join(_DTYPES)}")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 8:
        raise ValueError(f"{name!r} has no shape")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if not isinstance(data, bytes) or len(data) != expected:
        raise ValueError(f"{name!r} does not hold the {expected} bytes of its shape {tuple(shape)}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r} holds numbers that are not finite")
    return array
