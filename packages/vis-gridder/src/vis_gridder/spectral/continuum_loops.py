"""Compiled loops of the continuum fit: weighted least squares in a polynomial basis, row by row."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["subtract_rows"]

NO_INFORMATION = 1e-3
"""Fraction of its variance below which a fitted sample carries no information: it has decided the fit there."""
SINGULAR = 1e-10
"""Ratio of a pivot to its diagonal below which the remaining channels of a row do not determine the polynomial."""


@njit(cache=True, nogil=True, fastmath={"contract"})
def subtract_rows(
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    line_free: np.ndarray,
    basis: np.ndarray,
    new_vis: np.ndarray,
    new_weight: np.ndarray,
    new_flag: np.ndarray,
) -> tuple[int, float]:
    """Fit and subtract row by row.

    Args:
        vis: [row, channel].
        weight: [row, channel].
        flag: [row, channel].
        line_free: [channel] whether it is fitted.
        basis: [channel, coefficient].
        new_vis: [row, channel], written to.
        new_weight: [row, channel], written to.
        new_flag: [row, channel], written to.

    Returns:
        Number of rows flagged, and the largest leverage of a channel that is not fitted.

    """
    n = basis.shape[1]
    normal, moment, whitened = np.empty((n, n)), np.empty((n, 2)), np.empty(n)
    failed = 0
    largest = 0.0
    for row in range(vis.shape[0]):
        _sum_normal(normal, moment, vis[row], weight[row], flag[row], line_free, basis)
        if not _cholesky(normal):
            failed += 1
            new_vis[row] = vis[row]
            new_weight[row] = 0.0
            new_flag[row] = True
            continue
        _whiten(normal, moment)
        growth = _subtract_row(
            vis[row],
            weight[row],
            flag[row],
            line_free,
            basis,
            normal,
            moment,
            whitened,
            new_vis[row],
            new_weight[row],
            new_flag[row],
        )
        largest = max(largest, growth)
    return failed, largest


@njit(cache=True, nogil=True, fastmath={"contract"})
def _sum_normal(
    normal: np.ndarray,
    moment: np.ndarray,
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    line_free: np.ndarray,
    basis: np.ndarray,
) -> None:
    """Fill the lower triangle of the normal matrix, and the moments of real and imaginary part, of one row."""
    normal[:] = 0.0
    moment[:] = 0.0
    for k in range(basis.shape[0]):
        w = float(weight[k])
        if not line_free[k] or flag[k] or w <= 0.0:
            continue
        re = float(vis[k].real)
        im = float(vis[k].imag)
        for i in range(basis.shape[1]):
            wa = w * basis[k, i]
            moment[i, 0] += wa * re
            moment[i, 1] += wa * im
            for j in range(i + 1):
                normal[i, j] += wa * basis[k, j]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _whiten(normal: np.ndarray, moment: np.ndarray) -> None:
    """Replace the moments by L^-1 moment, given normal = L L^T."""
    # With normal = L L^T, b = L^-1 a has leverage w b.b, and the fit at a channel is b . (L^-1 moment).
    for i in range(moment.shape[0]):
        for j in range(i):
            moment[i, 0] -= normal[i, j] * moment[j, 0]
            moment[i, 1] -= normal[i, j] * moment[j, 1]
        moment[i, 0] /= normal[i, i]
        moment[i, 1] /= normal[i, i]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _subtract_row(
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    line_free: np.ndarray,
    basis: np.ndarray,
    normal: np.ndarray,
    moment: np.ndarray,
    whitened: np.ndarray,
    new_vis: np.ndarray,
    new_weight: np.ndarray,
    new_flag: np.ndarray,
) -> float:
    """Subtract the fit from one row; return the largest leverage of a channel that is not fitted."""
    largest = 0.0
    for k in range(basis.shape[0]):
        re = float(vis[k].real)
        im = float(vis[k].imag)
        square = 0.0
        for i in range(basis.shape[1]):
            b = basis[k, i]
            for j in range(i):
                b -= normal[i, j] * whitened[j]
            b /= normal[i, i]
            whitened[i] = b
            square += b * b
            re -= b * moment[i, 0]
            im -= b * moment[i, 1]
        w = float(weight[k])
        leverage = w * square
        bad = flag[k] or w <= 0.0
        if line_free[k]:
            remaining = 1.0 - leverage
            bad = bad or remaining < NO_INFORMATION
        else:
            remaining = 1.0 + leverage
            if not bad:
                largest = max(largest, leverage)
        new_vis[k] = complex(re, im)
        new_weight[k] = 0.0 if bad else w / remaining
        new_flag[k] = bad
    return largest


@njit(cache=True, nogil=True)
def _cholesky(matrix: np.ndarray) -> bool:
    """Replace the lower triangle of a matrix by its Cholesky factor; return whether it is regular."""
    for i in range(matrix.shape[0]):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if j < i:
                matrix[i, j] = value / matrix[j, j]
            elif value > SINGULAR * diagonal:
                matrix[i, i] = np.sqrt(value)
            else:
                return False
    return True
