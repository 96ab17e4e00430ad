"""How well errors are known that come without the number of samples behind them."""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

__all__ = ["KNOWN_DOF", "error_dof"]

KNOWN_DOF = 1e6
"""Degrees of freedom of an error that is known: a Student t of so many is a Gaussian to 1e-6."""
SHARED = 1.0
"""Channels for which the mean over all cells counts in each: one channel alone tells a cell's own next to nothing."""


def error_dof(variance_re: np.ndarray, variance_im: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Measure the degrees of freedom of (variance_re + variance_im) / 2 from how its two parts disagree.

    Real and imaginary part of a visibility have the same noise, so the logarithm of the ratio of their two estimated
    variances, nu degrees of freedom each, has mean 0 and variance 2 psi_1(nu / 2), psi_1 the trigamma function
    (Bartlett & Kendall 1946, Suppl. J. R. Stat. Soc. 8, 128). It is averaged over the channels of a cell, in each of
    which about as many visibilities lie; the mean of both variances has 2 nu degrees of freedom. A sky that changes
    across the cell by more than the noise tells real and imaginary part apart, and makes them come out too few.

    Args:
        variance_re: [channel, v, u], positive where `mask` is true.
        variance_im: [channel, v, u].
        mask: [channel, v, u] true where the cell holds data.

    Returns:
        Degrees of freedom [channel, v, u], the same in all channels, 0 where `mask` is false; at most `KNOWN_DOF`.

    """
    ratio = np.divide(variance_re, variance_im, out=np.ones(mask.shape), where=mask)
    square, count = (np.log(ratio) ** 2).sum(axis=0), mask.sum(axis=0)
    everywhere = square.sum() / max(int(count.sum()), 1)
    spread = (square + SHARED * everywhere) / (count + SHARED)
    nu = np.geomspace(0.1, KNOWN_DOF / 2, 4000)
    # psi_1 falls with nu; np.interp asks for rising abscissae.
    found = np.exp(np.interp(spread, 2.0 * polygamma(1, nu / 2)[::-1], np.log(nu)[::-1]))
    return np.where(mask, 2.0 * found, 0.0)
