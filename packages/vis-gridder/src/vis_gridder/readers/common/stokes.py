"""Stokes I from correlations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from steelyard_schemas import ContractError

from vis_gridder.constants import LARGEST_JY

__all__ = ["StokesI", "stokes_i"]


class StokesI(NamedTuple):
    """Stokes I of some rows, and how many samples were turned down on the way."""

    vis: np.ndarray
    weight: np.ndarray
    flag: np.ndarray
    n_weightless: int
    n_not_finite: int
    n_dead_hands: int = 0


def stokes_i(where: object, data: np.ndarray, weight: np.ndarray, flag: np.ndarray, hands: np.ndarray) -> StokesI:
    """Average parallel hands to Stokes I, weighted: I = sum(w V) / sum(w), weight sum(w).

    A hand that is flagged or has no weight is left out and the other stands for I, which is right for an
    unpolarised line. So is a hand that is exactly zero beside one that is not: no receiver made it. Where all are
    exactly zero the sample is kept as it is, since a model may say so; `measured_only` decides when it knows more.
    Values that are not finite, or beyond LARGEST_JY as only fill values are, count as flagged.

    Args:
        where: the file, for messages.
        data: [row, channel, correlation] complex visibilities, Jy.
        weight: [row, channel or 1, correlation] inverse variances.
        flag: [row, channel, correlation] true where bad.
        hands: which correlations are averaged.

    Raises:
        ContractError: the shapes do not fit, or weights of unflagged samples are NaN, infinite or negative.

    """
    n_rows, n_channels, n_correlations = data.shape
    fitting = weight.shape in ((n_rows, 1, n_correlations), data.shape)
    if flag.shape != data.shape or not fitting or hands.max() >= n_correlations:
        raise ContractError(
            where, f"has data of shape {data.shape}, flags {flag.shape} and weights {weight.shape}; export it again"
        )
    vis = np.empty((n_rows, n_channels), np.complex64)
    total = np.empty(vis.shape, np.float32)
    lost = np.empty(vis.shape, bool)
    n_bad, n_weightless, n_not_finite, n_dead_hands = _average(
        np.ascontiguousarray(data, np.complex64),
        np.ascontiguousarray(weight, np.float32),
        np.ascontiguousarray(flag),
        hands.astype(np.int64),
        vis,
        total,
        lost,
    )
    if n_bad:
        raise ContractError(
            where,
            f"has weights that are NaN, infinite or negative in {n_bad} unflagged samples; "
            "flag them or set the weights anew (initweights, statwt)",
        )
    return StokesI(vis, total, lost, n_weightless, n_not_finite, n_dead_hands)


@njit(cache=True, nogil=True)
def _average(
    data: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    hands: np.ndarray,
    vis: np.ndarray,
    total: np.ndarray,
    lost: np.ndarray,
) -> tuple[int, int, int, int]:
    """Fill the last three.

    Return how many samples have unusable weights, no weight, values that are not finite, zero beside a live hand.
    """
    n_bad = n_weightless = n_not_finite = n_dead_hands = 0
    per_row = weight.shape[1] == 1
    for row in range(data.shape[0]):
        for channel in range(data.shape[1]):
            mean = 0j
            sum_weight = 0.0
            dead = 0
            dead_weight = 0.0
            for hand in hands:
                if flag[row, channel, hand]:
                    continue
                w = np.float64(weight[row, 0 if per_row else channel, hand])
                value = np.complex128(data[row, channel, hand])
                if not (w >= 0.0 and w < np.inf):
                    n_bad += 1
                elif not (abs(value.real) < LARGEST_JY and abs(value.imag) < LARGEST_JY):  # NaN too
                    n_not_finite += 1
                elif w == 0.0:
                    n_weightless += 1
                elif value == 0.0:
                    dead += 1
                    dead_weight += w
                else:
                    mean += w * value
                    sum_weight += w
            if sum_weight > 0.0:
                n_dead_hands += dead
            else:
                sum_weight = dead_weight
            lost[row, channel] = sum_weight == 0.0
            vis[row, channel] = 0j if sum_weight == 0.0 else mean / sum_weight
            total[row, channel] = sum_weight
            if np.isinf(total[row, channel]):
                n_bad += 1
    return n_bad, n_weightless, n_not_finite, n_dead_hands
