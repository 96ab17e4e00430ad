"""Compiled loops over differences in time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["Chains", "DifferenceSums", "add_differences", "end_chains"]


class DifferenceSums(NamedTuple):
    """Sums over differences for a range of channels.

    Attributes:
        groups: [group, 5] float32: sum |d|^2 / (1/w1 + 1/w2), pairs, degrees of freedom, weights, samples.
        channels: [2, channel] float64: the first two of these for each channel of the range.
        last: [slot, 4, channel] float32: real and imaginary part and weight of the last good sample of each
            baseline, and the length of its chain.

    """

    groups: np.ndarray
    channels: np.ndarray
    last: np.ndarray


class Chains(NamedTuple):
    """Arrays [row]: number of the baseline, group, previous group (see `Groups`), and antennas in reverse order."""

    slot: np.ndarray
    group: np.ndarray
    previous: np.ndarray
    swapped: np.ndarray


@njit(cache=True, nogil=True)
def _end_chain(sums: np.ndarray, group: int, state: np.ndarray) -> None:
    """Count the degrees of freedom of a baseline's chains and start them anew."""
    for k in range(state.shape[1]):
        n = float(state[3, k])
        if n > 1.0:
            sums[group, 2] += 4.0 * (n - 1.0) ** 2 / (3.0 * n - 4.0)
    state[2:] = 0.0


@njit(cache=True, nogil=True)
def end_chains(sums: DifferenceSums, slot_group: np.ndarray) -> None:
    """End the chains of all baselines.

    Args:
        sums: sums of a range of channels.
        slot_group: [slot] current group of each baseline, -1 for none.

    """
    last = sums.last
    for slot in range(min(last.shape[0], slot_group.size)):
        if slot_group[slot] >= 0:
            _end_chain(sums.groups, slot_group[slot], last[slot])


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _difference(
    state: np.ndarray,
    channel_sums: np.ndarray,
    parts: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    sign: np.float32,
) -> tuple[float, float, float, float]:
    """Difference a row with the last of its baseline; return sum |d|^2 / (1/w1 + 1/w2), pairs, weights, samples."""
    re, im, w, n = state
    total = 0.0
    pairs = 0.0
    weights = 0.0
    count = 0.0
    for k in range(weight.size):
        good = (not flag[k]) and weight[k] > 0.0
        both = good and w[k] > 0.0
        d_re = float(parts[2 * k]) - float(re[k])
        d_im = float(sign * parts[2 * k + 1]) - float(im[k])
        harmonic = float(weight[k]) * float(w[k]) / (float(weight[k]) + float(w[k])) if both else 0.0
        square = (d_re * d_re + d_im * d_im) * harmonic if both else 0.0
        total += square
        pairs += 1.0 if both else 0.0
        weights += float(weight[k]) if good else 0.0
        count += 1.0 if good else 0.0
        channel_sums[0, k] += square
        channel_sums[1, k] += 1.0 if both else 0.0
        re[k] = parts[2 * k] if good else re[k]
        im[k] = sign * parts[2 * k + 1] if good else im[k]
        w[k] = weight[k] if good else w[k]
        n[k] += np.float32(1.0) if good else np.float32(0.0)
    return total, pairs, weights, count


@njit(cache=True, nogil=True)
def add_differences(
    sums: DifferenceSums,
    parts: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    chains: Chains,
    first_channel: int,
) -> None:
    """Add a block of rows, for a range of channels.

    Args:
        sums: added to in place.
        parts: [row, 2 * channel] all channels, real and imaginary part by turns, float32, Jy.
        weight: [row, channel] all channels.
        flag: [row, channel] all channels, true where bad.
        chains: baseline and group of each row.
        first_channel: first channel of the range.

    """
    groups, channel_sums, last = sums
    slot, group, previous, swapped = chains
    stop = first_channel + last.shape[2]
    for row in range(slot.size):
        if slot[row] < 0:
            continue
        state = last[slot[row]]
        if previous[row] >= 0:
            _end_chain(groups, previous[row], state)
        total, pairs, weights, count = _difference(
            state,
            channel_sums,
            parts[row, 2 * first_channel : 2 * stop],
            weight[row, first_channel:stop],
            flag[row, first_channel:stop],
            np.float32(-1.0) if swapped[row] else np.float32(1.0),
        )
        groups[group[row], 0] += total
        groups[group[row], 1] += pairs
        groups[group[row], 3] += weights
        groups[group[row], 4] += count
