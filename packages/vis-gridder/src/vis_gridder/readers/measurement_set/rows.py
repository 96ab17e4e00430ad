"""Rows of a Measurement Set's main table, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vis_gridder.readers.common.stokes import StokesI, stokes_i
from vis_gridder.readers.common.stream import Rows
from vis_gridder.readers.measurement_set.columns import weights_of
from vis_gridder.stream.source import rows_per_block

__all__ = ["Reading", "longest_baseline_m", "read_rows"]


@dataclass(frozen=True)
class Reading:
    """Settings for reading the rows.

    Attributes:
        column: DATA or CORRECTED_DATA.
        weight: the column that weights are from.
        hands: the correlations that make Stokes I, for each data description.
        to_utc: turns TIME into UTC.

    """

    column: str
    weight: str
    hands: dict[int, np.ndarray]
    to_utc: Callable[[np.ndarray], np.ndarray]


def longest_baseline_m(rows: Any) -> float:
    """Return the longest projected baseline of rows, m; 0 where there is none."""
    longest, n_rows, step = 0.0, rows.nrows(), rows_per_block(3)
    for first in range(0, n_rows, step):
        u_m, v_m, _ = rows.getcol("UVW", first, min(step, n_rows - first)).T
        longest = max(longest, float(np.nanmax(np.hypot(u_m, v_m), initial=0.0)))
    return longest


def read_rows(path: Path, rows: Any, reading: Reading) -> Iterator[Rows]:
    """Yield the rows of a table in its order, so many at a time as hold a block of correlations."""
    n_rows = rows.nrows()
    n_channels, n_correlations = np.asarray(rows.getcell(reading.column, 0)).shape
    step = rows_per_block(n_channels * n_correlations)
    for first in range(0, n_rows, step):
        n = min(step, n_rows - first)
        uvw = rows.getcol("UVW", first, n)
        yield Rows(
            _samples(path, rows, first, n, reading),
            list(np.ascontiguousarray(uvw.T)),
            time_mjd_s=reading.to_utc(rows.getcol("TIME", first, n)),
            antenna1=rows.getcol("ANTENNA1", first, n),
            antenna2=rows.getcol("ANTENNA2", first, n),
            scan=rows.getcol("SCAN_NUMBER", first, n),
        )


def _samples(path: Path, rows: Any, first: int, n: int, reading: Reading) -> StokesI:
    """Return Stokes I of `n` rows; data descriptions differ in the number of correlations, so each by itself."""
    ddid = rows.getcol("DATA_DESC_ID", first, n)
    kinds = np.unique(ddid)
    if kinds.size == 1:
        return _one_setup(path, rows, first, n, reading, reading.hands[int(kinds[0])])
    at = [np.flatnonzero(ddid == kind) for kind in kinds]
    parts = []
    for kind, here in zip(kinds, at, strict=True):
        with closing(rows.selectrows(first + here)) as part:
            parts.append(_one_setup(path, part, 0, here.size, reading, reading.hands[int(kind)]))
    back = np.argsort(np.concatenate(at))
    vis, weight, flag = (np.concatenate([part[i] for part in parts])[back] for i in range(3))
    return StokesI(vis, weight, flag, *(sum(counts) for counts in zip(*(part[3:] for part in parts), strict=True)))


def _one_setup(path: Path, rows: Any, first: int, n: int, reading: Reading, hands: np.ndarray) -> StokesI:
    weight = weights_of(rows, reading.weight, first, n)
    flag = rows.getcol("FLAG", first, n)
    flag[rows.getcol("FLAG_ROW", first, n)] = True
    data = rows.getcol(reading.column, first, n)
    return stokes_i(path, data, weight if weight.ndim == data.ndim else weight[:, None, :], flag, hands)
