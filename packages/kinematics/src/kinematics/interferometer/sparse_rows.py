"""Sparse linear maps: each row of the result is a weighted sum of a few rows of an array.

Rows are long and contiguous (all channels of a cell), so that a sum over them fills vectors whatever the pattern. A
row that others are summed into without order would need atomic additions; the transposed map, stored as sums of its
own, needs none. `jax.experimental.sparse` has such products too (BCSR), as fast on CPUs, but advises against itself
where time counts and is no longer developed.
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
    """Blocks of rows of the result, those of a block being sums of equally many rows; a pytree.

    Arrays have the shape (row, 2, channel), a real and an imaginary part. They are weighted apart, so that a row may
    count as its complex conjugate.
    """

    which: tuple[Array, ...]
    """Of each block: which rows are summed, shape (term, row)."""
    weight: tuple[Array, ...]
    """Of each block: their weights, shape (term, row, 2)."""

    @classmethod
    def of_entries(
        cls, row: np.ndarray, column: np.ndarray, weight: np.ndarray, widths: tuple[int, ...], dtype: DTypeLike
    ) -> tuple[Self, np.ndarray]:
        """Store a sparse matrix of which the order of rows does not matter: those with fewest entries come first.

        There are as many blocks as widths, of equally many rows. A row may be in a wider block than it needs, so that
        one number, rounded up, says what shape all arrays have.

        Args:
            row: of each entry; from 0, and each number up to the largest occurs.
            column: of each entry.
            weight: of each entry, shape (entry, 2).
            widths: entries that rows of a block may have, ascending; the last is raised to what is needed.
            dtype: of the weights.

        Returns:
            The map, and which row of its result each row of the matrix is.

        """
        count = np.bincount(row)
        widths = (*widths[:-1], max(widths[-1], int(count.max())))
        wider = [int(np.count_nonzero(count > width)) for width in (0, *widths[:-1])]
        size = padded_size(max(-(-n // (len(widths) - block)) for block, n in enumerate(wider)))
        place = np.empty(len(count), np.int64)
        # The last rows, with most entries, fill the widest block; padding comes first.
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
        """Of the result, padding included."""
        return sum(block.shape[1] for block in self.which)

    def of(self, rows: Array) -> list[Array]:
        """Return the sums of `rows`, block by block."""
        return [
            reduce(add, (weight[k, :, :, None] * _rows(rows, which[k]) for k in range(len(which))))
            for which, weight in zip(self.which, self.weight, strict=True)
        ]


def _rows(rows: Array, index: Array) -> Array:
    return rows.at[index].get(mode="promise_in_bounds")


def padded_size(n: int) -> int:
    """Round up by at most a quarter, so that data sets much alike have arrays of the same shape."""
    step = 1 << max(n.bit_length() - 3, 0)
    return -(-n // step) * step
