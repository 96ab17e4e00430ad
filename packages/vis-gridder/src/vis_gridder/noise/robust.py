"""Robust standard deviation from the median absolute deviation (MAD)."""

from __future__ import annotations

import numpy as np

__all__ = ["robust_sigma", "robust_sigma_of_channels"]

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a Gaussian in units of its MAD, 1 / Phi^-1(3/4)."""


def robust_sigma(values: np.ndarray) -> float:
    """Return 1.4826 times the MAD of the finite values, any shape; 0 if there are none."""
    finite = values[np.isfinite(values)]
    return SIGMA_PER_MAD * float(np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0


def robust_sigma_of_channels(cube: np.ndarray) -> np.ndarray:
    """Return 1.4826 times the MAD of each channel, [channel], of a cube [channel, y, x]; NaN where it has a NaN."""
    middle = np.median(cube, axis=(1, 2), keepdims=True)
    return SIGMA_PER_MAD * np.median(np.abs(cube - middle), axis=(1, 2))
