"""Departures of the channels' noise from that of the whole band, shrunk towards 1 as far as chance explains them."""

from __future__ import annotations

import numpy as np

__all__ = ["channel_factor", "dof_kept"]

SIGNIFICANT = 3.0
"""Standard errors by which channels must scatter beyond chance to get noise of their own."""


def dof_kept(scale: np.ndarray, pairs: np.ndarray) -> float:
    """Return the fraction of the degrees of freedom that a sum over unlike groups keeps (Satterthwaite 1946).

    Args:
        scale: [group] variance times weight.
        pairs: [group] number of differences.

    """
    return float((pairs @ scale) ** 2 / (pairs.sum() * (pairs @ scale**2)))


def channel_factor(channel_sums: np.ndarray, pooled: float, dof_per_pair: float) -> np.ndarray:
    """Return the variance of each channel over the pooled one, [channel], shrunk towards 1.

    A factor with nu degrees of freedom has a variance of 2 / nu even where all channels are alike. The scatter of
    the factors beyond that is real, and its share of the total is the weight they keep (James & Stein 1961). If they
    do not scatter significantly more than expected by chance, all are 1.

    Args:
        channel_sums: [2, channel] sums of squared differences and of pairs.
        pooled: variance times weight over all channels.
        dof_per_pair: degrees of freedom of a pair, less than 2 because pairs share samples and because baselines
            are not alike.

    """
    total, pairs = channel_sums
    # A channel that never changes in time has no noise of its own, which is not to have none.
    known = (pairs > 0) & (total > 0)
    n = int(np.count_nonzero(known))
    factor = np.ones(total.size)
    if n < 2:
        return factor
    dof = dof_per_pair * pairs[known]
    found = total[known] / (2.0 * pairs[known]) / pooled
    chance, seen = np.mean(2.0 / dof), np.mean((found - 1.0) ** 2)
    # The square of a scaled chi-square's departure from its mean has this relative variance.
    spread = np.sqrt((2.0 + 12.0 / dof.mean()) / n)
    if seen > chance * (1.0 + SIGNIFICANT * spread):
        factor[known] = 1.0 + (1.0 - chance / seen) * (found - 1.0)
    return factor
