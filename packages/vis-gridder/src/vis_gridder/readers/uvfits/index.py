"""Index of the random parameters of a UVFITS file: sources, setups, subarrays, times, antennas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vis_gridder.readers.uvfits.groups import Groups

__all__ = ["Index", "Key", "Part", "index_groups", "merged"]


class Key(NamedTuple):
    """Numbers of the source, frequency setup and subarray that rows share."""

    source: int
    setup: int
    subarray: int


@dataclass(eq=False)
class Part:
    """Rows of one key: distinct times of cross-correlations, ascending, and how many there are at each."""

    moments_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_cross: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    n_auto: int = 0
    antennas: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, time_s: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> None:
        """Count further rows."""
        cross = antenna1 != antenna2
        self.n_auto += int(np.count_nonzero(~cross))
        self._count(*np.unique(time_s[cross], return_counts=True))
        self.antennas = np.unique(np.concatenate([self.antennas, antenna1[cross], antenna2[cross]]))

    def _count(self, moments_s: np.ndarray, n_cross: np.ndarray) -> None:
        both, place = np.unique(np.concatenate([self.moments_s, moments_s]), return_inverse=True)
        total = np.zeros(both.size, np.int64)
        np.add.at(total, place, np.concatenate([self.n_cross, n_cross]))
        self.moments_s, self.n_cross = both, total

    def include(self, other: Part, shift_s: float) -> None:
        """Count the rows of another part, their times shifted."""
        self.n_auto += other.n_auto
        self._count(other.moments_s + shift_s, other.n_cross)
        self.antennas = np.union1d(self.antennas, other.antennas)


@dataclass(eq=False)
class Index:
    """Parts by key, the longest coordinate of a baseline as the file has it, and the lowest antenna number."""

    parts: dict[Key, Part] = field(default_factory=dict)
    longest: float = 0.0
    lowest_antenna: int = 1

    def of(self, source: int) -> dict[Key, Part]:
        """Return the parts of one source."""
        return {key: part for key, part in self.parts.items() if key.source == source}


def merged(parts: Iterable[tuple[Key, Part]], shift_s: Mapping[int, float]) -> Part:
    """Return several parts as one, their times shifted by so much for each subarray."""
    whole = Part()
    for key, part in parts:
        whole.include(part, shift_s.get(key.subarray, 0.0))
    return whole


def index_groups(groups: Groups) -> Index:
    """Read the parameters of all groups; what is kept grows with the integrations, not with the rows."""
    index = Index()
    for records in groups.records():
        time_s = records.time_mjd_s()
        antenna1, antenna2 = records.antennas()
        lengths = np.abs(records.baselines())
        index.longest = max(index.longest, float(np.max(lengths, where=np.isfinite(lengths), initial=0.0)))
        index.lowest_antenna = min(index.lowest_antenna, int(antenna1.min()), int(antenna2.min()))
        numbers = np.stack([records.sources(), records.setups(), records.subarrays()], axis=1)
        keys, which = np.unique(numbers, axis=0, return_inverse=True)
        for i, key in enumerate(keys.tolist()):
            here = which.ravel() == i
            index.parts.setdefault(Key(*key), Part()).add(time_s[here], antenna1[here], antenna2[here])
    return index
