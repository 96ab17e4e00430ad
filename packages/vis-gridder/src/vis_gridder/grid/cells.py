"""The uv cells of a grid: their sums while data come by, and their statistics at the end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from vis_gridder.grid.accumulate import (
    N_SUMS,
    W_IM,
    W_RE,
    W_SQUARE,
    WK,
    WK_IM,
    WK_RE,
    WK_X,
    WKK,
    FilledCells,
    N,
    W,
    accumulate,
)
from vis_gridder.stream.source import Block

__all__ = ["CellStatistics", "CellSums", "Counts"]

ROUNDING = 1e-12
"""Of a sum of squares, below which what is left of it is rounding: no data scatter by only a millionth."""


class Counts(NamedTuple):
    """Visibility-channels used, flagged, and beyond the edge of the grid."""

    used: int = 0
    flagged: int = 0
    outside: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class CellStatistics(NamedTuple):
    """Statistics of cells, arrays [channel, v, u] that `CellSums.finish` fills; moments [5, channel, v, u]."""

    mean: np.ndarray
    variance: np.ndarray
    dof: np.ndarray
    n_samples: np.ndarray
    propagated: np.ndarray
    moments: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int, int], precision: type = np.complex64) -> CellStatistics:
        """Return statistics of cells without data, means of a precision."""
        return cls(
            mean=np.zeros(shape, precision),
            variance=np.zeros(shape, np.float32),
            dof=np.zeros(shape, np.float32),
            n_samples=np.zeros(shape, np.int32),
            propagated=np.zeros(shape, bool),
            moments=np.zeros((5, *shape), np.float32),
        )


class CellSums:
    """Sums over the samples of each cell, for a range of channels of a grid of `npix` pixels a side.

    Sums stand in the order in which cells fill, so that memory is that of the cells that hold data: what is
    reserved for the others is never touched.
    """

    def __init__(self, npix: int, channels: range, min_count: int) -> None:
        half = (npix, npix // 2 + 1)
        n_cells = half[0] * half[1]
        self.channels = channels
        self.min_count = min_count
        self.cells = FilledCells(
            slots=np.zeros(half, np.int32),
            sums=np.zeros((n_cells, N_SUMS, len(channels))),
            visits=np.zeros((n_cells, len(channels)), np.int32),
            pool=np.empty((0, 2), np.int32),
            pool_wkk=np.empty(0, np.float32),
        )
        self.n_slots = self.n_pool = 0
        self.counts = Counts()
        self.farthest_m = 0.0

    def add(
        self,
        block: Block,
        group: np.ndarray,
        cells_per_metre: np.ndarray,
        kernel: tuple[float, ...],
    ) -> None:
        """Add a block of rows.

        Args:
            block: rows with all channels.
            group: [row] noise group.
            cells_per_metre: [channel] of all channels, frequency / c * field of view.
            kernel: coefficients, see `accumulate`.

        """
        here = slice(self.channels.start, self.channels.stop)
        self._make_room(block.u_m.size * len(self.channels))
        self.n_slots, self.n_pool, used, flagged, outside, farthest_m = accumulate(
            self.cells,
            self.n_slots,
            self.n_pool,
            block.u_m,
            block.v_m,
            cells_per_metre[here],
            block.vis.view(np.float32),
            block.weight,
            block.flag,
            group,
            kernel,
            self.min_count,
            here.start,
        )
        self.counts = self.counts.plus(Counts(used, flagged, outside))
        self.farthest_m = max(self.farthest_m, farthest_m)

    def merge(self, other: CellSums, factor: float, first_group: int) -> None:
        """Add the cells of another data set, whose weights count `factor` times and whose groups start later."""
        self._make_room(other.n_pool)
        self.n_slots, self.n_pool = _merge(self.cells, self.n_slots, self.n_pool, other.cells, factor, first_group)
        self.counts = self.counts.plus(other.counts)

    def scale(self, factor: float) -> None:
        """Count all weights `factor` times."""
        linear = [i for i in range(N_SUMS) if i != N]
        self.cells.sums[: self.n_slots, linear] *= factor
        self.cells.pool_wkk[: self.n_pool] *= np.float32(factor)

    def finish(
        self,
        into: CellStatistics,
        variance_per_weight: np.ndarray,
        group_dof: np.ndarray,
        set_of_group: np.ndarray,
        channel_factor: np.ndarray,
        scatter: np.ndarray,
        scatter_factor: np.ndarray,
    ) -> None:
        """Turn the sums into statistics.

        Samples d_i have variance s / w_i in the real and in the imaginary part, w known, s not. About the mean m of
        a cell and channel weighted by w, E sum w |d - m|^2 = 2 (n - 1) s, so that over 2 (n - 1) it is an
        unbiased s with as many degrees of freedom, whatever the weights. The samples of a cell are those of the same
        baselines and times in every channel, so s is pooled over channels, each divided by its factor f:
        s = sum_channels (sum w |d - m|^2 / f) / sum_channels 2 (n - 1). The mean weighted by w K,
        sum w K d / sum w K, has the variance f s sum w K^2 / (sum w K)^2.

        Cells with fewer degrees of freedom than `min_count` samples of one channel have, or without any scatter, take
        for s the mean of s_i of the samples' noise groups, weighted by w K^2; its degrees of freedom nu obey
        1 / nu = sum a_i / nu_i / sum a_i with a_i = w_i K_i^2 s_i: exact for samples of one baseline, a lower bound
        for several.

        Args:
            into: filled for the channels of this range.
            variance_per_weight: [group] s.
            group_dof: [group] its degrees of freedom.
            set_of_group: [group] data set that the group belongs to.
            channel_factor: [data set, channel] of all channels, by which s is multiplied.
            scatter: [v, u, 2] as `scatter_of_cells` of all ranges of channels leaves it.
            scatter_factor: [channel] of all channels, f.

        """
        here = slice(self.channels.start, self.channels.stop)
        _finish(
            into.mean[here],
            into.variance[here],
            into.dof[here],
            into.n_samples[here],
            into.propagated[here],
            into.moments[:, here],
            self.cells,
            variance_per_weight,
            group_dof,
            set_of_group,
            channel_factor[:, here],
            scatter,
            scatter_factor[here],
            self.min_count,
        )

    def scatter_of_cells(self, into: np.ndarray, factor: np.ndarray) -> None:
        """Add sum w |d - m|^2 / f and 2 (n - 1) of each cell, summed over these channels, to `into` [v, u, 2].

        Args:
            into: sums so far.
            factor: [channel] of all channels, f.

        """
        _scatter_of_cells(into, self.cells, factor[self.channels.start : self.channels.stop])

    def weights(self) -> tuple[float, float]:
        """Return the sum of weights and the number of samples."""
        filled = self.cells.sums[: self.n_slots]
        return float(filled[:, W].sum()), float(filled[:, N].sum())

    def _make_room(self, entries: int) -> None:
        needed, old = self.n_pool + entries, self.cells
        if needed > old.pool.shape[0]:
            # Memory that is reserved but not written costs nothing.
            size = max(needed, 2 * old.pool.shape[0])
            pool, wkk = np.empty((size, 2), np.int32), np.empty(size, np.float32)
            pool[: self.n_pool], wkk[: self.n_pool] = old.pool[: self.n_pool], old.pool_wkk[: self.n_pool]
            self.cells = old._replace(pool=pool, pool_wkk=wkk)


@njit(cache=True, nogil=True)
def _merge(
    cells: FilledCells, n_slots: int, n_pool: int, more: FilledCells, factor: float, first_group: int
) -> tuple[int, int]:
    """Add the cells of another data set; return filled cells and entries of the pool in use."""
    slots, sums, visits, pool, pool_wkk = cells
    _, n_sums, n_channels = sums.shape
    for v in range(slots.shape[0]):
        for u in range(slots.shape[1]):
            if more.slots[v, u] == 0:
                continue
            if slots[v, u] == 0:
                n_slots += 1
                slots[v, u] = n_slots
            here = slots[v, u] - 1
            there = more.slots[v, u] - 1
            for channel in range(n_channels):
                for i in range(n_sums):
                    sums[here, i, channel] += more.sums[there, i, channel] * (1.0 if i == N else factor)
                entry = more.visits[there, channel]
                while entry > 0:
                    pool[n_pool, 0] = more.pool[entry - 1, 0] + first_group
                    pool[n_pool, 1] = visits[here, channel]
                    pool_wkk[n_pool] = more.pool_wkk[entry - 1] * factor
                    n_pool += 1
                    visits[here, channel] = n_pool
                    entry = more.pool[entry - 1, 1]
    return n_slots, n_pool


@njit(cache=True, nogil=True)
def _residual(cell: np.ndarray, channel: int) -> float:
    """Return sum w |d - m|^2 of a cell, from its sums [N_SUMS, channel]; 0 where all of it is rounding."""
    square = cell[W_SQUARE, channel]
    residual = square - (cell[W_RE, channel] ** 2 + cell[W_IM, channel] ** 2) / cell[W, channel]
    return residual if residual > ROUNDING * square else 0.0


@njit(cache=True, nogil=True)
def _scatter_of_cells(into: np.ndarray, cells: FilledCells, factor: np.ndarray) -> None:
    slots, sums = cells.slots, cells.sums
    for v in range(slots.shape[0]):
        for u in range(slots.shape[1]):
            if slots[v, u] == 0:
                continue
            cell = sums[slots[v, u] - 1]
            for channel in range(sums.shape[2]):
                if cell[N, channel] > 1.0:
                    into[v, u, 0] += _residual(cell, channel) / factor[channel]
                    into[v, u, 1] += 2.0 * (cell[N, channel] - 1.0)


@njit(cache=True, nogil=True)
def _finish(
    mean: np.ndarray,
    variance: np.ndarray,
    dof: np.ndarray,
    counts: np.ndarray,
    propagated: np.ndarray,
    moments: np.ndarray,
    cells: FilledCells,
    variance_per_weight: np.ndarray,
    group_dof: np.ndarray,
    set_of_group: np.ndarray,
    channel_factor: np.ndarray,
    scatter: np.ndarray,
    scatter_factor: np.ndarray,
    min_count: int,
) -> None:
    slots, sums, visits, pool, pool_wkk = cells
    for v in range(slots.shape[0]):
        for u in range(slots.shape[1]):
            if slots[v, u] == 0:
                continue
            slot = slots[v, u] - 1
            cell = sums[slot]
            residual, residual_dof = scatter[v, u]
            for channel in range(sums.shape[2]):
                n = cell[N, channel]
                if n == 0.0:
                    continue
                wk = cell[WK, channel]
                if residual_dof < 2.0 * (min_count - 1.0) or residual == 0.0:
                    a = 0.0
                    a_over_nu = 0.0
                    wkk = 0.0
                    entry = visits[slot, channel]
                    while entry > 0:
                        group = pool[entry - 1, 0]
                        share = pool_wkk[entry - 1] * variance_per_weight[group]
                        share *= channel_factor[set_of_group[group], channel]
                        wkk += pool_wkk[entry - 1]
                        a += share
                        a_over_nu += share / group_dof[group]
                        entry = pool[entry - 1, 1]
                    scale = a / wkk
                    dof[channel, v, u] = a / a_over_nu
                    propagated[channel, v, u] = True
                else:
                    scale = residual / residual_dof * scatter_factor[channel]
                    dof[channel, v, u] = residual_dof
                mean[channel, v, u] = complex(cell[WK_RE, channel] / wk, cell[WK_IM, channel] / wk)
                variance[channel, v, u] = scale * cell[WKK, channel] / wk**2
                counts[channel, v, u] = int(n)
                for i in range(moments.shape[0]):
                    moments[i, channel, v, u] = cell[WK_X + i, channel] / wk
