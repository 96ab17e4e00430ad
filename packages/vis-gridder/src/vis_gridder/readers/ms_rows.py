"""Rows of a Measurement Set's main table, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vis_gridder.readers.stokes import StokesI, stokes_i
from vis_gridder.readers.stream import Rows
from vis_gridder.source import rows_per_block

__all__ = ["Reading", "defined_everywhere", "read_rows"]


@dataclass(frozen=True)
class Reading:
    """How to read the rows.

    Attributes:
        column: DATA or CORRECTED_DATA.
        spectrum: whether weights are from WEIGHT_SPECTRUM.
        hands: the correlations that make Stokes I, for each data description.
        to_utc: turns TIME into UTC.

    """

    column: str
    spectrum: bool
    hands: dict[int, np.ndarray]
    to_utc: Callable[[np.ndarray], np.ndarray]


def defined_everywhere(rows: Any, column: str) -> bool:
    """Tell whether a column exists and has a value in each row; concatenated sets may have it in some only."""
    if column not in rows.colnames():
        return False
    with closing(rows.query(f"not isdefined({column})")) as undefined:
        return undefined.nrows() == 0


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
    weight = rows.getcol("WEIGHT_SPECTRUM" if reading.spectrum else "WEIGHT", first, n)
    flag = rows.getcol("FLAG", first, n)
    flag[rows.getcol("FLAG_ROW", first, n)] = True
    data = rows.getcol(reading.column, first, n)
    return stokes_i(path, data, weight if reading.spectrum else weight[:, None, :], flag, hands)
