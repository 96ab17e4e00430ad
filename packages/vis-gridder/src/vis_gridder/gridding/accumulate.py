"""The inner loop: sums over the visibilities of each uv cell, compiled.

Channels are the innermost axis. Neighbouring channels of a row nearly always fall in the same cell, so that the work
on them is the same straight-line arithmetic, which the compiler turns into vector instructions; every loop below
works on one thing at a time for that reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["N_SUMS", "FilledCells", "RowArrays", "accumulate"]


WK, WK_RE, WK_IM, W, W_RE, W_IM, W_SQUARE, WKK, N, WK_X, WK_Y, WK_XX, WK_XY, WK_YY = range(14)
"""Index of each sum of a cell: d = (re, im) are the samples and square their |d|^2, w their weights, K the
kernel, N their number, x and y their offsets from the cell's centre."""
N_SUMS = 14


class FilledCells(NamedTuple):
    """Sums of the cells of a range of channels, in the order in which the cells fill.

    Memory is thus that of filled cells, and close together. The variance of cells of fewer than `min_count` samples
    is that of the samples' noise groups: the pool keeps a chain of (noise group, sum of w K^2) for each until they
    have that many.

    Attributes:
        slots: [v, u] int32, one more than where a cell's sums stand; 0 for cells without samples.
        sums: [slot, N_SUMS, channel] float64.
        visits: [slot, channel] int32, one more than where the cell's chain starts; 0 for none.
        pool: [entry, 2] int32, noise group and the next entry, counted as `visits`.
        pool_wkk: [entry] float32, sum of w K^2 of the group.

    """

    slots: np.ndarray
    sums: np.ndarray
    visits: np.ndarray
    pool: np.ndarray
    pool_wkk: np.ndarray


FAST = {"contract", "nsz", "reassoc"}
"""Sums may be taken in any order and products fused; NaN and infinity keep their meaning."""


@njit(cache=True, nogil=True, fastmath=FAST)
def _weights(w: np.ndarray, weight: np.ndarray, flag: np.ndarray) -> int:
    """Put the weights of good samples in `w`, zero for the others; return how many are good."""
    n_good = 0
    for k in range(weight.size):
        good = (not flag[k]) and weight[k] > 0.0
        n_good += good
        w[k] = float(weight[k]) if good else 0.0
    return n_good


@njit(cache=True, nogil=True, fastmath=FAST)
def _samples(re: np.ndarray, im: np.ndarray, parts: np.ndarray, w: np.ndarray, sign: float) -> None:
    """Take real and imaginary parts, the latter times `sign`."""
    for k in range(parts.size // 2):
        # Flagged samples may hold anything, NaN times a weight of zero included.
        good = w[k] > 0.0
        re[k] = float(parts[2 * k]) if good else 0.0
        im[k] = sign * float(parts[2 * k + 1]) if good else 0.0


@njit(cache=True, nogil=True, fastmath=FAST)
def _offsets(x: np.ndarray, cells_per_metre: np.ndarray, length_m: float, centre: int) -> None:
    for k in range(cells_per_metre.size):
        x[k] = length_m * cells_per_metre[k] - centre


@njit(cache=True, nogil=True, fastmath=FAST)
def _kernel(
    wk: np.ndarray, wkk: np.ndarray, w: np.ndarray, x: np.ndarray, y: np.ndarray, m: int, kernel: tuple[float, ...]
) -> None:
    k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11 = kernel
    for k in range(m):
        t = 4.0 * x[k] * x[k]
        p = k10 + t * k11
        p = k8 + t * (k9 + t * p)
        p = k6 + t * (k7 + t * p)
        p = k4 + t * (k5 + t * p)
        p = k2 + t * (k3 + t * p)
        both = k0 + t * (k1 + t * p)
        t = 4.0 * y[k] * y[k]
        p = k10 + t * k11
        p = k8 + t * (k9 + t * p)
        p = k6 + t * (k7 + t * p)
        p = k4 + t * (k5 + t * p)
        p = k2 + t * (k3 + t * p)
        both *= k0 + t * (k1 + t * p)
        wk[k] = w[k] * both
        wkk[k] = w[k] * both * both


@njit(cache=True, nogil=True, fastmath=FAST)
def _add(total: np.ndarray, a: np.ndarray) -> None:
    for k in range(total.size):
        total[k] += a[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_one(total: np.ndarray, w: np.ndarray) -> None:
    for k in range(total.size):
        total[k] += 1.0 if w[k] > 0.0 else 0.0


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_product(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    for k in range(total.size):
        total[k] += a[k] * b[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_product3(total: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    for k in range(total.size):
        total[k] += a[k] * b[k] * c[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_square(total: np.ndarray, w: np.ndarray, re: np.ndarray, im: np.ndarray) -> None:
    for k in range(total.size):
        total[k] += w[k] * (re[k] * re[k] + im[k] * im[k])


class RowArrays(NamedTuple):
    """A block of rows, all channels.

    Attributes:
        u_m: [row] metres.
        v_m: [row] metres.
        parts: [row, 2 * channel] real and imaginary part by turns, float32, Jy.
        weight: [row, channel].
        flag: [row, channel] true where bad.
        group: [row] noise group.

    """

    u_m: np.ndarray
    v_m: np.ndarray
    parts: np.ndarray
    weight: np.ndarray
    flag: np.ndarray
    group: np.ndarray


class _Scratch(NamedTuple):
    """Samples of a row in one cell, [channel]: weight, real and imaginary part, offsets, w K and w K^2."""

    w: np.ndarray
    re: np.ndarray
    im: np.ndarray
    x: np.ndarray
    y: np.ndarray
    wk: np.ndarray
    wkk: np.ndarray


@njit(cache=True, nogil=True, fastmath=FAST)
def _end_of_cell(a: float, b: float, cells_per_metre: np.ndarray, start: int, iu: int, iv: int) -> int:
    """Return the channel after the last one, from `start` on, that falls in the cell (iu, iv)."""
    n = cells_per_metre.size
    stop = n
    if int(np.floor(a * cells_per_metre[n - 1] + 0.5)) != iu or int(np.floor(b * cells_per_metre[n - 1] + 0.5)) != iv:
        stop = start + 1
        while (
            stop < n
            and int(np.floor(a * cells_per_metre[stop] + 0.5)) == iu
            and int(np.floor(b * cells_per_metre[stop] + 0.5)) == iv
        ):
            stop += 1
    return stop


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_samples(cell: np.ndarray, start: int, stop: int, samples: _Scratch) -> None:
    """Add the samples of a row to the sums of their cell."""
    w, re, im, x, y, wk, wkk = samples
    _add(cell[WK, start:stop], wk)
    _add_product(cell[WK_RE, start:stop], wk, re)
    _add_product(cell[WK_IM, start:stop], wk, im)
    _add(cell[W, start:stop], w)
    _add_product(cell[W_RE, start:stop], w, re)
    _add_product(cell[W_IM, start:stop], w, im)
    _add_square(cell[W_SQUARE, start:stop], w, re, im)
    _add(cell[WKK, start:stop], wkk)
    _add_one(cell[N, start:stop], w)
    _add_product(cell[WK_X, start:stop], wk, x)
    _add_product(cell[WK_Y, start:stop], wk, y)
    _add_product3(cell[WK_XX, start:stop], wk, x, x)
    _add_product3(cell[WK_XY, start:stop], wk, x, y)
    _add_product3(cell[WK_YY, start:stop], wk, y, y)


@njit(cache=True, nogil=True, fastmath=FAST)
def _remember_groups(
    cells: FilledCells, slot: int, start: int, stop: int, n_pool: int, group: int, samples: _Scratch, min_count: int
) -> int:
    """Add a row's group to the chains of channels with fewer than `min_count` samples; return entries in use."""
    count, chain = cells.sums[slot, N], cells.visits[slot]
    fewest = min_count + 1.0
    for k in range(stop - start):
        fewest = min(fewest, count[start + k])
    if fewest < min_count:
        for k in range(stop - start):
            if samples.w[k] > 0.0 and count[start + k] < min_count:
                head = chain[start + k]
                if head > 0 and cells.pool[head - 1, 0] == group:
                    cells.pool_wkk[head - 1] += samples.wkk[k]
                else:
                    cells.pool[n_pool, 0] = group
                    cells.pool[n_pool, 1] = head
                    cells.pool_wkk[n_pool] = samples.wkk[k]
                    n_pool += 1
                    chain[start + k] = n_pool
    return n_pool


@njit(cache=True, nogil=True, fastmath=FAST)
def accumulate(
    cells: FilledCells,
    n_slots: int,
    n_pool: int,
    rows: RowArrays,
    cells_per_metre: np.ndarray,
    kernel: tuple[float, ...],
    min_count: int,
    first_channel: int,
) -> tuple[int, int, int, int, int, float]:
    """Add rows of visibilities to the sums of their cells, for a range of channels.

    Args:
        cells: added to in place; the pool must have room for one more entry for each sample.
        n_slots: number of filled cells.
        n_pool: number of entries of the pool in use.
        rows: all channels.
        cells_per_metre: [channel of the range] frequency / c * field of view.
        kernel: the twelve coefficients of K in powers of (2 x)^2, rising.
        min_count: minimum samples of one channel for a variance from scatter.
        first_channel: first channel of the range.

    Returns:
        Filled cells, entries of the pool in use, the numbers of samples used, flagged, and beyond the edge, and the
        largest |u| or |v| of those beyond it [m].

    """
    n_v = cells.slots.shape[0]
    n = cells_per_metre.size
    # The Nyquist row and column stand for both +1/2 and -1/2 cycle per pixel; they stay empty.
    edge = (n_v - 1) // 2
    samples = _Scratch(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n))
    w, re, im, x, y, wk, wkk = samples
    used, flagged, outside, farthest_m = 0, 0, 0, 0.0
    for row in range(rows.u_m.size):
        sign = -1.0 if rows.u_m[row] < 0.0 else 1.0
        a, b = sign * rows.u_m[row], sign * rows.v_m[row]
        stop = 0
        while stop < n:
            start = stop
            iu = int(np.floor(a * cells_per_metre[start] + 0.5))
            iv = int(np.floor(b * cells_per_metre[start] + 0.5))
            stop = _end_of_cell(a, b, cells_per_metre, start, iu, iv)
            mirror = 1.0
            if iu == 0 and iv < 0:
                # In the column u = 0 the cells +v and -v are conjugates: all goes to +v.
                mirror, iv = -1.0, -iv
            here = slice(first_channel + start, first_channel + stop)
            n_good = _weights(w, rows.weight[row, here], rows.flag[row, here])
            flagged += stop - start - n_good
            if iu > edge or iv > edge or iv < -edge:
                outside += n_good
                if n_good > 0:
                    farthest_m = max(farthest_m, a, abs(b))
                continue
            if n_good == 0:
                continue
            used += n_good
            _samples(re, im, rows.parts[row, 2 * here.start : 2 * here.stop], w, sign * mirror)
            _offsets(x, cells_per_metre[start:stop], mirror * a, iu)
            _offsets(y, cells_per_metre[start:stop], mirror * b, iv)
            _kernel(wk, wkk, w, x, y, stop - start, kernel)
            jv = iv if iv >= 0 else iv + n_v
            if cells.slots[jv, iu] == 0:
                n_slots += 1
                cells.slots[jv, iu] = n_slots
            slot = cells.slots[jv, iu] - 1
            _add_samples(cells.sums[slot], start, stop, samples)
            n_pool = _remember_groups(cells, slot, start, stop, n_pool, rows.group[row], samples, min_count)
    return n_slots, n_pool, used, flagged, outside, farthest_m
