"""Noise from the data: differences in time of the same baseline, in which the sky cancels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from steelyard_schemas import ContractError, Store, Visibilities

__all__ = ["Noise", "estimate_noise"]

FEWEST_DOF = 50.0
"""A baseline in a scan with fewer degrees of freedom (sigma known to worse than 10 %) takes the pooled noise."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of Stokes I visibilities, as measured.

    Attributes:
        sigma_jy: [row] standard deviation of the real (or imaginary) part of one visibility-channel, at the mean
            weight of the row's unflagged channels; NaN where all are flagged.
        dof: [row] degrees of freedom of `sigma_jy ** 2`.
        variance_per_weight: [row] variance times weight: the variance of a sample is this over its weight.
        weight_scale: the factor that turns the file's weights into inverse variances, pooled over all data.
        n_differences: differences used.

    """

    sigma_jy: np.ndarray
    dof: np.ndarray
    variance_per_weight: np.ndarray
    weight_scale: float
    n_differences: int


def estimate_noise(vis: Store[Visibilities]) -> Noise:
    """Measure the noise per baseline and scan from consecutive unflagged integrations.

    With d = V2 - V1 of one baseline, scan and channel, E |d|^2 / (1/w1 + 1/w2) = 2 s, where s / w is the variance
    of the real part of a sample of weight w; s is pooled over the integrations and channels of a baseline and scan.
    Gaps from flags are bridged. Nothing is rejected: outliers are noise that the data have. A sky that changes
    from one integration to the next adds to d; see the README for how much.

    The chain of n samples gives n - 1 differences that share samples; they are worth 2 (n - 1)^2 / (3 n - 4)
    degrees of freedom (von Neumann 1941, Ann. Math. Stat. 12, 367), for the real and the imaginary part each.

    Raises:
        ContractError: no baseline was observed twice within a scan.

    """
    noise = time_difference_noise(vis)
    if noise is None:
        raise ContractError(
            vis.manifest.source, "observed no baseline twice within a scan, so differences in time give no noise"
        )
    return noise


def time_difference_noise(vis: Store[Visibilities]) -> Noise | None:
    """As `estimate_noise`, but None where there are no differences."""
    low = np.minimum(vis["antenna1"], vis["antenna2"])
    high = np.maximum(vis["antenna1"], vis["antenna2"])
    order = np.lexsort((vis["time_mjd_s"], high, low, vis["scan"]))
    keys = np.stack([vis["scan"], low, high])[:, order]
    first = np.ones(order.size, bool)
    first[1:] = np.any(keys[:, 1:] != keys[:, :-1], axis=0)
    first[low[order] < 0] = True  # antennas unknown: rows have nothing in common
    group_sorted = np.cumsum(first) - 1
    n_groups = int(group_sorted[-1]) + 1
    total, pairs, dof, mean_weight = _differences(
        vis["vis"], vis["weight"], vis["flag"], order, group_sorted, n_groups, vis["antenna1"] > vis["antenna2"]
    )
    if pairs.sum() == 0:
        return None
    pooled = total.sum() / (2.0 * pairs.sum())
    if not pooled > 0:
        raise ContractError(vis.manifest.source, "has no noise: every baseline repeats itself exactly")
    enough = (dof >= FEWEST_DOF) & (total > 0)
    scale = np.where(enough, total / np.maximum(2.0 * pairs, 1.0), pooled)
    group = np.empty(order.size, np.int64)
    group[order] = group_sorted
    variance_per_weight = scale[group]
    with np.errstate(divide="ignore"):
        sigma = np.sqrt(variance_per_weight / mean_weight)
    return Noise(
        sigma_jy=np.where(mean_weight > 0, sigma, np.nan),
        dof=np.where(enough, dof, dof.sum())[group],
        variance_per_weight=variance_per_weight,
        weight_scale=float(1.0 / pooled),
        n_differences=int(pairs.sum()),
    )


@njit(cache=True, nogil=True)
def _differences(
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    order: np.ndarray,
    group: np.ndarray,
    n_groups: int,
    swapped: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sum |d|^2 / (1/w1 + 1/w2), count differences and their degrees of freedom, per group; rows in `order`.

    Last comes the mean weight of each row's unflagged channels, 0 where there is none.
    """
    mean_weight = np.zeros(vis.shape[0])
    n_channels = vis.shape[1]
    total = np.zeros(n_groups)
    pairs = np.zeros(n_groups)
    dof = np.zeros(n_groups)
    last = np.zeros(n_channels, np.complex128)
    last_weight = np.zeros(n_channels)
    chain = np.zeros(n_channels)
    current = -1
    for position in range(order.size + 1):
        ended = position == order.size or group[position] != current
        if ended:
            if current >= 0:
                for channel in range(n_channels):
                    n = chain[channel]
                    if n > 1:
                        dof[current] += 4.0 * (n - 1.0) ** 2 / (3.0 * n - 4.0)
            if position == order.size:
                break
            current = group[position]
            last_weight[:] = 0.0
            chain[:] = 0.0
        row = order[position]
        row_weight = 0.0
        row_count = 0
        for channel in range(n_channels):
            w = float(weight[row, channel])
            if flag[row, channel] or w <= 0.0:
                continue
            row_weight += w
            row_count += 1
            # A baseline listed the other way round is the complex conjugate.
            value = np.complex128(vis[row, channel])
            if swapped[row]:
                value = value.conjugate()
            if last_weight[channel] > 0.0:
                d = value - last[channel]
                total[current] += (d.real**2 + d.imag**2) / (1.0 / w + 1.0 / last_weight[channel])
                pairs[current] += 1.0
            last[channel] = value
            last_weight[channel] = w
            chain[channel] += 1.0
        if row_count > 0:
            mean_weight[row] = row_weight / row_count
    return total, pairs, dof, mean_weight
