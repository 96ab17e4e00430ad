"""The uv cells of a grid: sums over their samples, added block by block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from vis_gridder.gridding.accumulate import N_SUMS, FilledCells, N, RowArrays, W, accumulate
from vis_gridder.gridding.cell_statistics import CellScatter, CellStatistics, GroupNoise, add_scatter, fill_statistics
from vis_gridder.stream.source import Block

__all__ = ["CellSums", "Counts"]


class Counts(NamedTuple):
    """Visibility-channels used, flagged, and beyond the edge of the grid."""

    used: int = 0
    flagged: int = 0
    outside: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


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
            RowArrays(block.u_m, block.v_m, block.vis.view(np.float32), block.weight, block.flag, group),
            cells_per_metre[here],
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

    def finish(self, into: CellStatistics, noise: GroupNoise, scatter: CellScatter) -> None:
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
            into: statistics of all channels, filled for those of this range.
            noise: noise of the groups.
            scatter: sums as `scatter_of_cells` of all ranges of channels leaves them, and factors of all channels.

        """
        here = slice(self.channels.start, self.channels.stop)
        fill_statistics(
            into.of_channels(here),
            self.cells,
            noise.of_channels(here),
            scatter.of_channels(here),
            self.min_count,
        )

    def scatter_of_cells(self, into: np.ndarray, factor: np.ndarray) -> None:
        """Add sum w |d - m|^2 / f and 2 (n - 1) of each cell, summed over these channels, to `into` [v, u, 2].

        Args:
            into: sums so far.
            factor: [channel] of all channels, f.

        """
        add_scatter(into, self.cells, factor[self.channels.start : self.channels.stop])

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
