"""Noise groups: each baseline in each scan, numbered as rows arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from vis_gridder.stream.baselines import Baselines
from vis_gridder.stream.source import Block

__all__ = ["GroupNumbering", "Groups", "grown"]


@dataclass(frozen=True, eq=False)
class Groups:
    """Noise groups of the rows of a block.

    Attributes:
        group: [row] number of the noise group.
        slot: [row] number of the baseline, -1 where its antennas are unknown.
        previous: [row] -1, except where a group starts: there the group that the baseline had before, or the new
            group itself if it had none.
        n_slots: number of baselines so far.
        n_groups: number of groups so far.

    """

    group: np.ndarray
    slot: np.ndarray
    previous: np.ndarray
    n_slots: int
    n_groups: int

    @property
    def any_named(self) -> bool:
        """True if a row names its antennas."""
        return bool(np.any(self.slot >= 0))


class GroupNumbering:
    """Numbers the groups of a stream; rows whose antennas are unknown share one group."""

    def __init__(self) -> None:
        self.n_groups = 0
        self.n_named = self.n_nameless = 0
        self.slot_group = np.zeros(0, np.int32)
        self._baselines = Baselines()
        self._nameless_group = -1
        self._slot_scan = np.zeros(0, np.int32)
        self._labels = np.zeros((0, 3), np.int32)

    @property
    def labels(self) -> np.ndarray:
        """[group, 3] lower antenna, higher antenna and scan; -1 for rows without antennas."""
        return self._labels[: self.n_groups]

    def groups(self, block: Block) -> Groups:
        """Return the group of each row; call once for every block, in order."""
        slot = self._baselines.slots(block)
        n_slots, n_nameless = self._baselines.n, int(np.count_nonzero(slot < 0))
        self.slot_group, self._slot_scan = (grown(a, n_slots, fill=-1) for a in (self.slot_group, self._slot_scan))
        self._labels = grown(self._labels, self.n_groups + block.u_m.size + 1)
        if n_nameless and self._nameless_group < 0:
            # It is unknown which of these rows belong together, so they share one noise.
            self._nameless_group = self.n_groups
            self._labels[self.n_groups] = -1
            self.n_groups += 1
        self.n_named += slot.size - n_nameless
        self.n_nameless += n_nameless
        group, previous, self.n_groups = _assign(
            slot,
            block.antenna1,
            block.antenna2,
            block.scan,
            self.slot_group,
            self._slot_scan,
            self._labels,
            self.n_groups,
            self._nameless_group,
        )
        return Groups(group, slot, previous, n_slots, self.n_groups)


def grown(array: np.ndarray, size: int, fill: int = 0) -> np.ndarray:
    """Return `array` extended with `fill` to at least `size` entries along its first axis."""
    if size <= array.shape[0]:
        return array
    longer = np.full((max(size, array.shape[0] + array.shape[0] // 2), *array.shape[1:]), fill, array.dtype)
    longer[: array.shape[0]] = array
    return longer


@njit(cache=True, nogil=True)
def _assign(
    slot: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    scan: np.ndarray,
    slot_group: np.ndarray,
    slot_scan: np.ndarray,
    labels: np.ndarray,
    n_groups: int,
    nameless_group: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Assign a group to each row; return groups and previous groups (see `Groups`), [row], and groups so far."""
    n = slot.size
    group = np.empty(n, np.int32)
    previous = np.full(n, -1, np.int32)
    for row in range(n):
        s = slot[row]
        if s < 0:
            group[row] = nameless_group
            continue
        new = slot_group[s] < 0
        if new or slot_scan[s] != scan[row]:
            previous[row] = n_groups if new else slot_group[s]
            labels[n_groups, 0] = min(antenna1[row], antenna2[row])
            labels[n_groups, 1] = max(antenna1[row], antenna2[row])
            labels[n_groups, 2] = scan[row]
            slot_group[s] = n_groups
            slot_scan[s] = scan[row]
            n_groups += 1
        group[row] = slot_group[s]
    return group, previous, n_groups
