"""From the sums of a cell to its mean and the variance of that mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["CellStatistics", "cell_statistics"]


class CellStatistics(NamedTuple):
    """Statistics of cells, arrays of one shape."""

    mean: np.ndarray
    variance: np.ndarray
    dof: np.ndarray
    n: np.ndarray
    propagated: np.ndarray
    residual: float
    residual_dof: float


def cell_statistics(sums: np.ndarray, min_count: int) -> CellStatistics:
    """Return mean, variance of its real part and degrees of freedom of cells that hold data.

    Samples d_i have variance s / w_i in the real and in the imaginary part, w known, s not. About the mean m
    weighted by w, E sum w |d - m|^2 = 2 (n - 1) s, so s' = sum w |d - m|^2 / (2 (n - 1)) is unbiased with
    2 (n - 1) degrees of freedom, whatever the weights. The mean weighted by w K, sum w K d / sum w K, has the
    variance s sum w K^2 / (sum w K)^2. Cells of fewer than `min_count` samples, or without any scatter, take s from
    the time differences, sum w K^2 s_i / (sum w K)^2; their degrees of freedom nu obey
    1 / nu = sum a_i / nu_i / sum a_i with a_i = w_i K_i^2 s_i: exact for samples of one baseline, a lower bound
    for several.

    Args:
        sums: [cell, N_SUMS] as `accumulate` leaves them, of cells that hold data.
        min_count: fewest samples for a variance from scatter.

    Returns:
        Statistics shaped as `sums` without its last axis. `residual` and `residual_dof` are sum w |d - m|^2 and
        2 (n - 1) over all cells.

    """
    wk, wk_re, wk_im, w, w_re, w_im, w_square, wkk, wkk_s, wkk_s_nu, count = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # n = 1 has no scatter, and is propagated
        mean = (wk_re + 1j * wk_im) / wk
        # Rounding may leave a negative trace of a sum of squares that cancels.
        residual = np.maximum(w_square - (w_re**2 + w_im**2) / w, 0.0)
        residual_dof = 2.0 * (count - 1.0)
        noiseless = residual <= 1e-12 * w_square
        propagated = (count < min_count) | noiseless
        variance = np.where(propagated, wkk_s, residual / residual_dof * wkk) / wk**2
        dof = np.where(propagated, wkk_s / wkk_s_nu, residual_dof)
    several = count > 1
    return CellStatistics(
        mean=mean.astype(np.complex64),
        variance=variance.astype(np.float32),
        dof=dof.astype(np.float32),
        n=count.astype(np.int32),
        propagated=propagated,
        residual=float(residual[several].sum()),
        residual_dof=float(residual_dof[several].sum()),
    )
