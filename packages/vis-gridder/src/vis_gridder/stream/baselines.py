"""Baselines, numbered as they turn up in a stream."""

from __future__ import annotations

import numpy as np
from numba import njit

from vis_gridder.stream.source import Block

__all__ = ["Baselines"]

EMPTY = -1


class Baselines:
    """Slots of the baselines met so far: 0, 1, 2, ... whichever way round their antennas are listed."""

    def __init__(self) -> None:
        self.n = 0
        self._keys = np.full(1024, EMPTY, np.int64)
        self._slots = np.zeros(1024, np.int64)

    def slots(self, block: Block) -> np.ndarray:
        """Return the slot of each row's baseline, -1 where an antenna is unknown (negative)."""
        slot = np.empty(block.antenna1.size, np.int64)
        row, self.n = _number(block.antenna1, block.antenna2, self._keys, self._slots, slot, 0, self.n)
        while row < slot.size:
            self._grow()
            row, self.n = _number(block.antenna1, block.antenna2, self._keys, self._slots, slot, row, self.n)
        return slot

    def _grow(self) -> None:
        keys, slots = self._keys, self._slots
        self._keys, self._slots = np.full(4 * keys.size, EMPTY, np.int64), np.zeros(4 * keys.size, np.int64)
        for key, slot in zip(keys[keys != EMPTY], slots[keys != EMPTY], strict=True):
            at = _place(self._keys, key)
            self._keys[at], self._slots[at] = key, slot


@njit(cache=True, nogil=True)
def _place(keys: np.ndarray, key: int) -> int:
    """Return where a key stands in a table of a power of two, or the empty place where it would."""
    # Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4), then the next place that is free.
    at = ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & np.uint64(keys.size - 1)
    while keys[at] != EMPTY and keys[at] != key:
        at = (at + np.uint64(1)) & np.uint64(keys.size - 1)
    return int(at)


@njit(cache=True, nogil=True)
def _number(
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    slot: np.ndarray,
    first: int,
    n: int,
) -> tuple[int, int]:
    """Fill `slot` from row `first` on; return the row at which the table is half full, and the baselines so far."""
    for row in range(first, slot.size):
        low = np.int64(min(antenna1[row], antenna2[row]))
        high = np.int64(max(antenna1[row], antenna2[row]))
        if low < 0:
            slot[row] = -1
            continue
        key = (low << 32) | high
        at = _place(keys, key)
        if keys[at] == EMPTY:
            if 2 * n >= keys.size:
                return row, n
            keys[at] = key
            slots[at] = n
            n += 1
        slot[row] = slots[at]
    return slot.size, n
