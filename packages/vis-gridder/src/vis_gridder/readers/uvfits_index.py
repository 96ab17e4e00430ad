"""What the random parameters of a UVFITS file say of the whole of it: sources, times, antennas."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vis_gridder.readers.uvfits_groups import Groups

__all__ = ["Index", "SourceIndex", "index_groups"]


@dataclass(eq=False)
class SourceIndex:
    """One source's part: distinct times of its cross-correlations, ascending, and how many there are at each."""

    moments_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_cross: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    n_auto: int = 0
    antennas: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, time_s: np.ndarray, antenna1: np.ndarray, antenna2: np.ndarray) -> None:
        """Count further groups of this source."""
        cross = antenna1 != antenna2
        self.n_auto += int(np.count_nonzero(~cross))
        moments, count = np.unique(time_s[cross], return_counts=True)
        both, place = np.unique(np.concatenate([self.moments_s, moments]), return_inverse=True)
        total = np.zeros(both.size, np.int64)
        np.add.at(total, place, np.concatenate([self.n_cross, count]))
        self.moments_s, self.n_cross = both, total
        self.antennas = np.unique(np.concatenate([self.antennas, antenna1[cross], antenna2[cross]]))


@dataclass(eq=False)
class Index:
    """Sources by number, and the frequency setups that occur."""

    sources: dict[int, SourceIndex] = field(default_factory=dict)
    setups: set[int] = field(default_factory=set)


def index_groups(groups: Groups) -> Index:
    """Read the parameters of all groups; what is kept grows with the integrations, not with the rows."""
    index = Index()
    for records in groups.records():
        numbers, time_s = records.sources(), records.time_mjd_s()
        antenna1, antenna2 = records.antennas()
        if groups.has("FREQSEL"):
            index.setups.update(np.unique(records.integers("FREQSEL")).tolist())
        for number in np.unique(numbers).tolist():
            here = numbers == number
            index.sources.setdefault(number, SourceIndex()).add(time_s[here], antenna1[here], antenna2[here])
    return index
