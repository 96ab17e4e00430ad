"""Unsubtracted continuum in the line-free channels, measured on the short baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.imaging.line_finder import SMOOTHING, WORST_NOISE, short_baseline_power, short_cells

__all__ = ["Continuum", "continuum_level"]

QUIET_PART = 0.2
"""Fraction of the channels, the quietest, taken as line-free: a line may fill all others."""
SHARED_NOISE = 3
"""Channels this far apart share no noise, Hanning smoothing included."""
SIGNIFICANT = 5.0 * WORST_NOISE
"""Detection threshold, sigma, for noise that may be understated."""


@dataclass(frozen=True, eq=False)
class Continuum:
    """Emission that the quietest channels have in common.

    Attributes:
        flux_jy: root of its mean power on the shortest third of the baselines.
        subtracted: the data without it.

    """

    flux_jy: float
    subtracted: Store[GriddedVisibilities]


def continuum_level(gridded: Store[GriddedVisibilities]) -> Continuum | None:
    """Return the emission in the quietest channels, or None where they are empty or too few.

    The quietest fifth of the channels is cut in two at its middle frequency; a and b are the means of the halves in
    a cell. Continuum is the same in both, so that the mean of Re(a conj(b)) over short baselines is its power,
    wherever it is on the sky. Noise has mean zero there, even if its variance is understated, because the halves
    share none. A line that is wider than the band looks the same.

    Args:
        gridded: cell means and their variance.

    """
    halves = _quiet_halves(gridded)
    if halves is None:
        return None
    short = short_cells(gridded)
    (a, var_a), (b, var_b) = (_mean(gridded, half, short) for half in halves)
    both = np.isfinite(var_a) & np.isfinite(var_b)
    if not both.any():
        return None
    power = (a * b.conj()).real[both]
    # Of the real part of the product of two means with these variances of real and imaginary part.
    variance = 2.0 * var_a[both] * var_b[both]
    weight = 1.0 / variance
    level, error = float(np.average(power, weights=weight)), float(weight.sum() ** -0.5)
    if level < SIGNIFICANT * error:
        return None
    return Continuum(flux_jy=float(np.sqrt(level)), subtracted=_without(gridded, np.concatenate(halves)))


def _quiet_halves(gridded: Store[GriddedVisibilities]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the quietest channels below and above their middle, apart enough to share no noise."""
    power, n = short_baseline_power(gridded)
    window = np.ones(SMOOTHING)
    middle = slice(SMOOTHING // 2, SMOOTHING // 2 + power.size)
    smoothed, n_smoothed = np.convolve(power, window)[middle], np.convolve(n, window)[middle]
    ratio = np.where(n > 0, smoothed / np.maximum(n_smoothed, 1), np.inf)
    n_quiet = min(max(2, int(np.ceil(QUIET_PART * power.size))), int(np.count_nonzero(n > 0)))
    quiet = np.sort(np.argsort(ratio, kind="stable")[:n_quiet])
    low, high = quiet[: quiet.size // 2], quiet[quiet.size // 2 :]
    while low.size and high.size and high[0] - low[-1] < SHARED_NOISE:
        low, high = (low[:-1], high) if low.size > high.size else (low, high[1:])
    return (low, high) if low.size and high.size else None


def _mean(
    gridded: Store[GriddedVisibilities], channels: np.ndarray, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over channels, [cell], and the variance of its real or imaginary part; inf without data."""
    mask = gridded["mask"][channels][:, cells]
    weight = np.divide(1.0, gridded["variance"][channels][:, cells], out=np.zeros(mask.shape), where=mask)
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore"):
        mean = (weight * gridded["mean"][channels][:, cells]).sum(axis=0) / np.where(total > 0, total, 1.0)
        return mean, 1.0 / total


def _without(gridded: Store[GriddedVisibilities], channels: np.ndarray) -> Store[GriddedVisibilities]:
    """Return the data less the mean of some channels in each cell, whose noise is added."""
    mask = gridded["mask"]
    mean, variance = _mean(gridded, channels, np.ones(mask.shape[1:], bool))
    mean, variance = (
        array.reshape(mask.shape[1:]) for array in (mean, np.where(np.isfinite(variance), variance, 0.0))
    )
    sign = np.ones(mask.shape[0])
    sign[channels] = -1.0
    return Store(
        gridded.manifest,
        dict(gridded.arrays)
        | {
            "mean": np.where(mask, gridded["mean"] - mean, 0).astype(np.complex64),
            "variance": np.where(
                mask, np.maximum(gridded["variance"] + sign[:, None, None] * variance, 1e-3 * gridded["variance"]), 0
            ).astype(np.float32),
        },
    )
