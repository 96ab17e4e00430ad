"""Numbers whose unit or meaning a file does not state: tests that a mistaken unit would not pass."""

from __future__ import annotations

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["check_longest_baseline", "check_weights"]

DISH_M = 12.0
"""A common dish. No array that images lines has all its baselines shorter than this."""
BINS = 10
FEWEST_IN_BIN = 100
"""Samples whose mean power is known to a tenth."""
MOST_SAMPLES = 500_000
LEAST_SPREAD = 2.0
"""Ratio of the largest to the smallest mean weight of a bin, from which the noise's dependence on it shows."""
LARGEST_SLOPE = 0.5
"""Largest logarithmic slope of noise power against weight: -1 for inverse variances, 1 for variances, 2 for sigma."""


def check_longest_baseline(where: object, u_m: np.ndarray, v_m: np.ndarray, said: str) -> str:
    """Return the longest baseline in words.

    Args:
        where: the file, for messages.
        u_m: baseline coordinates, m, from wavelengths.
        v_m: v of the same rows.
        said: what u and v were taken for.

    Raises:
        ContractError: it is shorter than a dish, as when u and v are in kilolambda or metres.

    """
    lengths = np.hypot(u_m, v_m)
    longest_m = float(np.max(lengths, where=np.isfinite(lengths), initial=0.0))
    if 0.0 < longest_m < DISH_M:
        raise ContractError(
            where,
            f"has u and v that make the longest baseline {longest_m:.3g} m as {said}, shorter than a dish: they are "
            "in kilolambda (multiply them by 1000) or in metres (multiply them by frequency / c), it seems",
        )
    return f"the longest baseline is {longest_m:.6g} m"


def check_weights(where: object, vis: np.ndarray, weight: np.ndarray, flag: np.ndarray) -> None:
    """Raise ContractError where weights grow with the noise, as standard deviations or variances do.

    The noise is that of differences between neighbouring channels, in bins of weight. A single channel, too few
    samples and weights that are nearly alike pass.

    Args:
        where: the file, for messages.
        vis: [channel, row] complex.
        weight: [channel, row].
        flag: [channel, row].

    """
    step = max(1, vis.size // MOST_SAMPLES)
    vis, weight, flag = (np.asarray(a)[:, ::step] for a in (vis, weight, flag))
    with np.errstate(invalid="ignore", over="ignore"):
        power = np.abs(np.diff(vis, axis=0)) ** 2
        mean_weight = np.sqrt(weight[1:].astype(float) * weight[:-1])
        good = ~(flag[1:] | flag[:-1]) & np.isfinite(power) & np.isfinite(mean_weight) & (mean_weight > 0)
    power, mean_weight = power[good], mean_weight[good]
    n = power.size // BINS
    if n < FEWEST_IN_BIN:
        return
    order = np.argsort(mean_weight)[: n * BINS].reshape(BINS, n)
    in_bins, noise = mean_weight[order].mean(axis=1), power[order].mean(axis=1)
    if in_bins[-1] < LEAST_SPREAD * in_bins[0] or not np.all(noise > 0):
        return
    slope = float(np.polyfit(np.log(in_bins), np.log(noise), 1)[0])
    if slope > LARGEST_SLOPE:
        raise ContractError(
            where,
            f"has weights that grow with the noise (its variance goes as their power {slope:.2g}): they are standard "
            "deviations or variances, it seems; write 1 / sigma^2",
        )
