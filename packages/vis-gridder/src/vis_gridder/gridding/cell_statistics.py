"""Statistics of uv cells from their sums: means, variances and their degrees of freedom, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from vis_gridder.gridding.accumulate import W_IM, W_RE, W_SQUARE, WK, WK_IM, WK_RE, WK_X, WKK, FilledCells, N, W

__all__ = ["CellScatter", "CellStatistics", "GroupNoise", "add_scatter", "fill_statistics"]

ROUNDING = 1e-12
"""A residual below this fraction of the sum of squares is rounding: no data scatter by only a millionth."""


class CellStatistics(NamedTuple):
    """Statistics of cells, filled by `CellSums.finish`.

    Attributes:
        mean: [channel, v, u] complex, Jy.
        variance: [channel, v, u] variance of the real part of the mean, Jy^2.
        dof: [channel, v, u] degrees of freedom of the variance.
        n_samples: [channel, v, u] number of samples.
        propagated: [channel, v, u] true where the variance is from noise groups, not from scatter.
        moments: [5, channel, v, u] mean offset u, v and second moments uu, uv, vv of the samples, cells.

    """

    mean: np.ndarray
    variance: np.ndarray
    dof: np.ndarray
    n_samples: np.ndarray
    propagated: np.ndarray
    moments: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int, int], precision: type = np.complex64) -> CellStatistics:
        """Return statistics of cells without data.

        Args:
            shape: (channel, v, u).
            precision: type of the means.

        """
        return cls(
            mean=np.zeros(shape, precision),
            variance=np.zeros(shape, np.float32),
            dof=np.zeros(shape, np.float32),
            n_samples=np.zeros(shape, np.int32),
            propagated=np.zeros(shape, bool),
            moments=np.zeros((5, *shape), np.float32),
        )

    def of_channels(self, channels: slice) -> CellStatistics:
        """Return views of a range of channels."""
        return CellStatistics(
            self.mean[channels],
            self.variance[channels],
            self.dof[channels],
            self.n_samples[channels],
            self.propagated[channels],
            self.moments[:, channels],
        )


class GroupNoise(NamedTuple):
    """Noise of the noise groups of all data sets.

    Attributes:
        variance_per_weight: [group] variance times weight, s.
        dof: [group] degrees of freedom of s.
        data_set: [group] number of the data set that the group belongs to.
        channel_factor: [data set, channel] factor of s.

    """

    variance_per_weight: np.ndarray
    dof: np.ndarray
    data_set: np.ndarray
    channel_factor: np.ndarray

    def of_channels(self, channels: slice) -> GroupNoise:
        """Return the noise for a range of channels."""
        return self._replace(channel_factor=self.channel_factor[:, channels])


class CellScatter(NamedTuple):
    """Scatter of the samples within cells, pooled over channels.

    Attributes:
        sums: [v, u, 2] sum w |d - m|^2 / f over all channels, and its degrees of freedom, sum 2 (n - 1).
        factor: [channel] factor f of the variance.

    """

    sums: np.ndarray
    factor: np.ndarray

    def of_channels(self, channels: slice) -> CellScatter:
        """Return the scatter with the factors of a range of channels."""
        return self._replace(factor=self.factor[channels])


@njit(cache=True, nogil=True)
def _residual(cell: np.ndarray, channel: int) -> float:
    """Return sum w |d - m|^2 of a cell, from its sums [N_SUMS, channel]; 0 where all of it is rounding."""
    square = cell[W_SQUARE, channel]
    residual = square - (cell[W_RE, channel] ** 2 + cell[W_IM, channel] ** 2) / cell[W, channel]
    return residual if residual > ROUNDING * square else 0.0


@njit(cache=True, nogil=True)
def add_scatter(into: np.ndarray, cells: FilledCells, factor: np.ndarray) -> None:
    """Add the scatter of each cell to `into` [v, u, 2], the sums of `CellScatter`.

    Args:
        into: sums so far.
        cells: cells of a range of channels.
        factor: [channel of the range].

    """
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
def _propagated(cells: FilledCells, slot: int, channel: int, noise: GroupNoise) -> tuple[float, float]:
    """Return s of a cell and channel from the noise groups of its samples, and its degrees of freedom."""
    a = 0.0
    a_over_nu = 0.0
    wkk = 0.0
    entry = cells.visits[slot, channel]
    while entry > 0:
        group = cells.pool[entry - 1, 0]
        share = cells.pool_wkk[entry - 1] * noise.variance_per_weight[group]
        share *= noise.channel_factor[noise.data_set[group], channel]
        wkk += cells.pool_wkk[entry - 1]
        a += share
        a_over_nu += share / noise.dof[group]
        entry = cells.pool[entry - 1, 1]
    return a / wkk, a / a_over_nu


@njit(cache=True, nogil=True)
def fill_statistics(
    into: CellStatistics, cells: FilledCells, noise: GroupNoise, scatter: CellScatter, min_count: int
) -> None:
    """Fill the statistics of a range of channels; see `CellSums.finish`.

    Args:
        into: statistics of the range.
        cells: cells of the range.
        noise: noise groups, factors of the range.
        scatter: scatter of all channels, factors of the range.
        min_count: minimum samples of one channel whose degrees of freedom make a variance from scatter.

    """
    for v in range(cells.slots.shape[0]):
        for u in range(cells.slots.shape[1]):
            if cells.slots[v, u] == 0:
                continue
            slot = cells.slots[v, u] - 1
            cell = cells.sums[slot]
            residual, residual_dof = scatter.sums[v, u]
            for channel in range(cells.sums.shape[2]):
                n = cell[N, channel]
                if n == 0.0:
                    continue
                if residual_dof < 2.0 * (min_count - 1.0) or residual == 0.0:
                    scale, into.dof[channel, v, u] = _propagated(cells, slot, channel, noise)
                    into.propagated[channel, v, u] = True
                else:
                    scale = residual / residual_dof * scatter.factor[channel]
                    into.dof[channel, v, u] = residual_dof
                wk = cell[WK, channel]
                into.mean[channel, v, u] = complex(cell[WK_RE, channel] / wk, cell[WK_IM, channel] / wk)
                into.variance[channel, v, u] = scale * cell[WKK, channel] / wk**2
                into.n_samples[channel, v, u] = int(n)
                for i in range(into.moments.shape[0]):
                    into.moments[i, channel, v, u] = cell[WK_X + i, channel] / wk
