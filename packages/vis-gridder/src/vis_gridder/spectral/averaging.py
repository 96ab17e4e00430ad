"""The inner loop of averaging channels, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["TIE", "average_channels"]

TIE = 1e-6
"""Centres on the edge between two channels go to the upper one, though rounding may put them below by less."""


@njit(cache=True, nogil=True)
def average_channels(
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    factor_per_hz: np.ndarray,
    frequency_hz: np.ndarray,
    start: float,
    new_vis: np.ndarray,
    new_weight: np.ndarray,
    new_flag: np.ndarray,
) -> tuple[float, float, int]:
    """Average samples to channels, row by row.

    Frequencies ascend, so the samples of a channel follow each other, and one walk along the row serves all.

    Args:
        vis: [row, channel].
        weight: [row, channel].
        flag: [row, channel].
        factor_per_hz: [row] D over the new width.
        frequency_hz: [channel].
        start: centre of the first new channel over its width.
        new_vis: [row, new channel], written to.
        new_weight: [row, new channel], written to.
        new_flag: [row, new channel], written to.

    Returns:
        Largest distance of an average from its channel's centre, in channels, the sum of their squares, and their
        number.

    """
    n_old = frequency_hz.size
    largest = 0.0
    squares = 0.0
    count = 0
    for row in range(vis.shape[0]):
        scale = factor_per_hz[row]
        channel = 0
        while channel < n_old and frequency_hz[channel] * scale - start < -0.5 - TIE:
            channel += 1
        for new in range(new_vis.shape[1]):
            w_sum = re_sum = im_sum = off_sum = 0.0
            while channel < n_old:
                off = frequency_hz[channel] * scale - start - new
                if off >= 0.5 - TIE:
                    break
                w = weight[row, channel]
                if w > 0.0 and not flag[row, channel]:
                    w_sum += w
                    re_sum += w * vis[row, channel].real
                    im_sum += w * vis[row, channel].imag
                    off_sum += w * off
                channel += 1
            good = w_sum > 0.0
            new_flag[row, new] = not good
            new_weight[row, new] = w_sum
            if good:
                one = 1.0 / w_sum
                new_vis[row, new] = complex(re_sum * one, im_sum * one)
                off = abs(off_sum * one)
                largest = max(largest, off)
                squares += off * off
                count += 1
            else:
                new_vis[row, new] = 0.0
    return largest, squares, count
