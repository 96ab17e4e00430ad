"""Sparse linear maps: each row of the result is a weighted sum of a few rows of an array.

Rows are long and contiguous (all channels of a cell), so sums over them vectorise whatever the pattern. Scattering
into rows in random order would need atomic additions; storing the transposed map as sums of its own avoids them.
`jax.experimental.sparse` (BCSR) is equally fast on CPUs, but is not recommended for performance-critical code and is
no longer developed.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

__all__ = ["RowSums", "padded_size"]


class RowSums(NamedTuple):
    """Sparse map in blocks of rows, each a sum of equally many terms within a block; a pytree.

    Arrays have the shape (row, 2, channel), with real and imaginary parts. The parts have separate weights, so that
    a row may enter as its complex conjugate.
    """

    which: tuple[Array, ...]
    """Indices of the rows to sum in each block, shape (term, row)."""
    weight: tuple[Array, ...]
    """Weights of these rows in each block, shape (term, row, 2)."""

    @classmethod
    def of_entries(
        cls, row: np.ndarray, column: np.ndarray, weight: np.ndarray, widths: tuple[int, ...], dtype: DTypeLike
    ) -> tuple[Self, np.ndarray]:
        """Build the map from a sparse matrix, reordering rows so that those with fewest entries come first.

        There is one block per width, and all blocks have equally many rows. A row may be in a wider block than it
        needs, so that a single rounded number determines the shape of all arrays.

        Args:
            row: row of each entry, shape (entry,); every number from 0 to the largest must occur.
            column: column of each entry, shape (entry,).
            weight: weights of each entry, shape (entry, 2).
            widths: maximum entries per row in each block, ascending; the last is raised if necessary.
            dtype: type of the weights.

        Returns:
            The map, and the index in its result of each row of the matrix, shape (row,).

        """
        count = np.bincount(row)
        widths = (*widths[:-1], max(widths[-1], int(count.max())))
        wider = [int(np.count_nonzero(count > width)) for width in (0, *widths[:-1])]
        size = padded_size(max(-(-n // (len(widths) - block)) for block, n in enumerate(wider)))
        place = np.empty(len(count), np.int64)
        # The fullest rows come last and fill the widest block; padding comes first.
        place[np.argsort(count, kind="stable")] = np.arange(len(count)) + len(widths) * size - len(count)
        order = np.argsort(place[row], kind="stable")
        at, column, weight = place[row][order], column[order], weight[order]
        term = np.arange(len(at)) - np.searchsorted(at, at)
        which, weights = [], []
        for block, width in enumerate(widths):
            mine = at // size == block
            where = term[mine], at[mine] - block * size
            which.append(np.zeros((width, size), np.int32))
            weights.append(np.zeros((width, size, 2)))
            which[-1][where], weights[-1][where] = column[mine], weight[mine]
        arrays = tuple(map(jnp.asarray, which)), tuple(jnp.asarray(each, dtype) for each in weights)
        return cls(*arrays), place

    @property
    def n_rows(self) -> int:
        """Number of rows of the result, padding included."""
        return sum(block.shape[1] for block in self.which)

    def of(self, rows: Array) -> list[Array]:
        """Return the weighted sums of `rows`, shape (row, 2, channel), block by block."""
        return [
            reduce(add, (weight[k, :, :, None] * _rows(rows, which[k]) for k in range(len(which))))
            for which, weight in zip(self.which, self.weight, strict=True)
        ]


def _rows(rows: Array, index: Array) -> Array:
    return rows.at[index].get(mode="promise_in_bounds")


def padded_size(n: int) -> int:
    """Round up by at most a quarter, so that similar data sets share array shapes and compiled code."""
    step = 1 << max(n.bit_length() - 3, 0)
    return -(-n // step) * step
