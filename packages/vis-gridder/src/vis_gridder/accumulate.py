"""The inner loop: sums over the visibilities of each uv cell, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["N_SUMS", "accumulate"]

N_SUMS = 11
"""Sums kept per cell: [wK, wK Re d, wK Im d, w, w Re d, w Im d, w |d|^2, w K^2, w K^2 s, w K^2 s / nu, count]."""


@njit(cache=True, nogil=True, fastmath={"contract"})
def accumulate(
    sums: np.ndarray,
    x_m: np.ndarray,
    y_m: np.ndarray,
    cells_per_metre: np.ndarray,
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    scale: np.ndarray,
    scale_over_dof: np.ndarray,
    table: np.ndarray,
    first_channel: int,
) -> tuple[int, int, int]:
    """Add visibilities to the sums of their cells, for a block of channels.

    Neighbouring channels of a row fall into the same or the next cell, so channels are the innermost axis of
    `sums`: memory is then walked through in order, and a block of channels keeps it within the cache.

    Args:
        sums: [v, u, channel of the block, N_SUMS] float64, added to in place.
        x_m: [row] u in metres.
        y_m: [row] v in metres.
        cells_per_metre: [channel of the block] frequency / c * field of view.
        vis: [row, channel] all channels.
        weight: [row, channel].
        flag: [row, channel].
        scale: [row] s, the variance times weight.
        scale_over_dof: [row] s / nu, nu its degrees of freedom.
        table: kernel at even steps of |offset| from 0 to half a cell (and the last once more).
        first_channel: where the block starts.

    Returns:
        Numbers of visibility-channels used, flagged, and beyond the edge.

    """
    n_v = sums.shape[0]
    # The Nyquist row and column stand for both +1/2 and -1/2 cycle per pixel; they stay empty.
    edge = (n_v - 1) // 2
    steps = 2.0 * (table.size - 2)
    used = 0
    flagged = 0
    outside = 0
    for row in range(x_m.size):
        s = scale[row]
        s_nu = scale_over_dof[row]
        for k in range(cells_per_metre.size):
            channel = first_channel + k
            w = float(weight[row, channel])
            if flag[row, channel] or w <= 0.0:
                flagged += 1
                continue
            x = x_m[row] * cells_per_metre[k]
            y = y_m[row] * cells_per_metre[k]
            re = float(vis[row, channel].real)
            im = float(vis[row, channel].imag)
            if x < 0.0:
                x, y, im = -x, -y, -im
            iu = int(np.floor(x + 0.5))
            iv = int(np.floor(y + 0.5))
            if iu == 0 and iv < 0:
                # In the column u = 0 the cells +v and -v are conjugates: all goes to +v.
                x, y, im = -x, -y, -im
                iv = -iv
            if iu > edge or iv > edge or iv < -edge:
                outside += 1
                continue
            used += 1
            tx = abs(x - iu) * steps
            ty = abs(y - iv) * steps
            jx = int(tx)
            jy = int(ty)
            kernel = (table[jx] + (tx - jx) * (table[jx + 1] - table[jx])) * (
                table[jy] + (ty - jy) * (table[jy + 1] - table[jy])
            )
            wk = w * kernel
            wkk = wk * kernel
            cell = sums[iv if iv >= 0 else iv + n_v, iu, k]
            cell[0] += wk
            cell[1] += wk * re
            cell[2] += wk * im
            cell[3] += w
            cell[4] += w * re
            cell[5] += w * im
            cell[6] += w * (re * re + im * im)
            cell[7] += wkk
            cell[8] += wkk * s
            cell[9] += wkk * s_nu
            cell[10] += 1.0
    return used, flagged, outside
