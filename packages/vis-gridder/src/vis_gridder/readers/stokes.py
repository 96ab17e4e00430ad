"""From correlations to Stokes I."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["StokesI", "stokes_i"]


class StokesI(NamedTuple):
    """Stokes I of some rows, and how many samples were turned down on the way."""

    vis: np.ndarray
    weight: np.ndarray
    flag: np.ndarray
    n_weightless: int
    n_not_finite: int


def stokes_i(where: object, data: np.ndarray, weight: np.ndarray, flag: np.ndarray) -> StokesI:
    """Average parallel hands to Stokes I, weighted: I = sum(w V) / sum(w), weight sum(w).

    A hand that is flagged or has no weight is left out and the other stands for I, which is right for an
    unpolarised line. Samples that are not flagged but not finite count as flagged.

    Args:
        where: the file, for messages.
        data: [row, channel, hand] complex visibilities, Jy.
        weight: [row, channel or 1, hand] inverse variances.
        flag: [row, channel, hand] true where bad.

    Raises:
        ContractError: weights of unflagged samples are NaN, infinite or negative.

    """
    weight = np.broadcast_to(weight, data.shape)
    good = ~flag
    if np.any(bad := good & ~(weight >= 0)) or np.any(bad := good & np.isinf(weight)):
        raise ContractError(
            where,
            f"has weights that are NaN, infinite or negative in {np.count_nonzero(bad)} unflagged samples; "
            "flag them or set the weights anew (initweights, statwt)",
        )
    finite = np.isfinite(data)
    n_not_finite = int(np.count_nonzero(good & ~finite))
    n_weightless = int(np.count_nonzero(good & finite & (weight == 0)))
    good &= finite & (weight > 0)
    w = np.where(good, weight, np.float32(0))
    total = w.sum(axis=-1, dtype=np.float64)
    lost = total <= 0
    mean = np.where(good, data, 0)
    mean = (mean * w).sum(axis=-1, dtype=np.complex128) / np.where(lost, 1.0, total)
    return StokesI(mean.astype(np.complex64), total.astype(np.float32), lost, n_weightless, n_not_finite)
