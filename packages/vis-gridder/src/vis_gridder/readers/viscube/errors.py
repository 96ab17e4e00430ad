"""Errors that come without the number of samples behind them: how well they are known, and better ones."""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

__all__ = ["KNOWN_DOF", "error_dof", "pool_channels"]

KNOWN_DOF = 1e6
"""Degrees of freedom of an error that is known: a Student t of so many is a Gaussian to 1e-6."""
SHARED = 1.0
"""Channels for which the mean over all cells counts in each: one channel says next to nothing of a cell's own."""
ROUNDS = 20
MORE_THAN_CHANCE = 1.5
"""Scatter of errors about a product of cell and channel, in units of chance, from which it is no product."""


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


def pool_channels(variance: np.ndarray, dof: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Replace variances by the product of a cell's and a channel's, where they are such a product within chance.

    The visibilities of a cell are those of the same baselines and times in every channel, so its variance differs
    from channel to channel only by the channel's own noise; what else it differs by is the chance of an estimate from
    few visibilities, which moves a fit by as much as half a standard deviation and averages out over channels. Where
    flags differ between channels, variances are no such product, and stay as they are.

    Args:
        variance: [channel, v, u], positive where `mask` is true.
        dof: [channel, v, u] degrees of freedom.
        mask: [channel, v, u].

    Returns:
        Variances, their degrees of freedom, and whether they were pooled.

    """
    n_channels = mask.sum(axis=0)
    several = mask & (n_channels > 1)
    if not several.any():
        return variance, dof, False
    channel = np.ones(mask.shape[0])
    for _ in range(ROUNDS):
        cell = np.where(mask, variance / channel[:, None, None], 0).sum(axis=0) / np.maximum(n_channels, 1)
        ratio = np.divide(variance, cell, out=np.zeros(mask.shape), where=several)
        channel = ratio.sum(axis=(1, 2)) / np.maximum(several.sum(axis=(1, 2)), 1)
        channel = np.where(channel > 0, channel / channel[channel > 0].mean(), 1.0)
    product = channel[:, None, None] * cell
    departure = np.divide(variance, product, out=np.ones(mask.shape), where=mask)[several] - 1.0
    # The cell's mean follows each of its channels by one part in their number.
    chance = 2.0 / dof[several] * (1.0 - 1.0 / np.broadcast_to(n_channels, mask.shape)[several])
    if not np.mean(departure**2) <= MORE_THAN_CHANCE * np.mean(chance):
        return variance, dof, False
    return np.where(mask, product, 0), np.where(mask, np.where(mask, dof, 0).sum(axis=0), 0), True
