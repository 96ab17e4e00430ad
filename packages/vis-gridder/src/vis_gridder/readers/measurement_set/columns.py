"""Columns of a Measurement Set that hold the data and the weights of the selected rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.stream.history import DataWarning
from vis_gridder.stream.source import rows_per_block

__all__ = ["DataColumn", "data_column", "n_filled", "weight_column", "weights_of"]

DataColumn = Literal["data", "corrected"]
"""Columns to choose from: DATA or CORRECTED_DATA."""
COLUMNS = {"data": "DATA", "corrected": "CORRECTED_DATA"}
WEIGHTS = ("WEIGHT_SPECTRUM", "WEIGHT", "SIGMA_SPECTRUM", "SIGMA")
"""Columns that weights can be had from, the best first."""
FIRST_LOOK = 64
"""Rows read first in the search for a weight that is not zero; nearly always there is one among them."""
INITWEIGHTS = "set the weights by CASA's initweights(vis, wtmode='nyq')"


def data_column(path: Path, rows: Any, wanted: str | None) -> tuple[str, str]:
    """Return the name of the column to read for these rows, and the line of history that names it.

    CORRECTED_DATA comes first where all rows have it, DATA where none has.

    Args:
        path: the file, for messages.
        rows: the rows selected, at least one.
        wanted: "data" or "corrected"; None leaves the choice to the file.

    Raises:
        ContractError: only part of the rows have the column, it is 0 throughout, or what is wanted is not there.

    """
    n = rows.nrows()
    filled = {name: n_filled(rows, name) for name in COLUMNS.values()}
    if wanted is not None:
        name = COLUMNS[wanted]
        if not filled[name]:
            raise ContractError(path, f"has no {name} in the {n} rows selected; leave out --column {wanted}")
        line = f"read {name} of a Measurement Set, as chosen, {n} rows"
    elif not filled["CORRECTED_DATA"]:
        name = "DATA"
        empty = "CORRECTED_DATA" in rows.colnames()
        line = (
            f"assumed DATA to be calibrated: read them for all {n} rows, for CORRECTED_DATA is empty in all of them"
            if empty
            else f"read DATA of a Measurement Set, {n} rows"
        )
    else:
        name = "CORRECTED_DATA"
        line = f"read CORRECTED_DATA of a Measurement Set, {n} rows"
        if filled["DATA"]:
            same = ", which equal DATA as before any calibration" if _equals_data(rows, filled) else ""
            line = (
                f"assumed CORRECTED_DATA to be the data: read them for all {n} rows{same}; --column data reads DATA"
            )
    if filled[name] < n:
        other = "; or read DATA of all rows (--column data)" if wanted is None and filled["DATA"] == n else ""
        raise ContractError(
            path,
            f"has {name} in {filled[name]} of the {n} rows selected only: select rows that have it (--field, --scan, "
            f"--observation), or split it out{other}",
        )
    if _is_zero(rows, name):
        other = "; read DATA (--column data) if they are calibrated" if name != "DATA" and filled["DATA"] else ""
        raise ContractError(path, f"has {name} that is 0 in all {n} rows selected: it was never filled in{other}")
    return name, line


def n_filled(rows: Any, column: str) -> int:
    """Return how many rows have a value in a column; none if there is no such column."""
    if column not in rows.colnames():
        return 0
    # The rows without are counted, for they are few or none.
    with closing(rows.query(f"not isdefined({column})")) as undefined:
        return int(rows.nrows() - undefined.nrows())


def _equals_data(rows: Any, filled: Mapping[str, int]) -> bool:
    """Return whether both columns agree in the first rows, as CASA copies DATA when it makes CORRECTED_DATA."""
    if len(set(filled.values())) > 1:
        return False
    with (
        closing(rows.selectrows(range(min(rows.nrows(), FIRST_LOOK)))) as first,
        closing(first.query("any(CORRECTED_DATA != DATA)", limit=1)) as different,
    ):
        return different.nrows() == 0


def _is_zero(rows: Any, column: str) -> bool:
    # Ends at the first row that holds anything else, so that good data cost one row.
    with closing(rows.query(f"any({column} != 0)", limit=1)) as found:
        return found.nrows() == 0


def weight_column(
    path: Path, rows: Any, hands: Mapping[int, np.ndarray], column: str, *, corrected: bool
) -> tuple[str, list[str]]:
    """Return the name of the column that weights are from, and the lines of history that say so.

    Zero weights are flags where others are not zero. Where all that is not flagged has none, the column was not
    filled in, and the next one serves.

    Args:
        path: the file, for messages.
        rows: the rows selected, at least one.
        hands: the correlations that make Stokes I, for each data description.
        column: column of the data.
        corrected: whether the file holds CORRECTED_DATA too.

    Raises:
        ContractError: no column has weights.

    Warns:
        DataWarning: the file's first choice is zero throughout.

    """
    n = rows.nrows()
    lines: list[str] = []
    zero: list[str] = []
    for name in WEIGHTS:
        n_here = n_filled(rows, name)
        if not n_here:
            continue
        if n_here < n:
            lines.append(f"assumed that {name} may be left out: it is filled in {n_here} of {n} rows only")
            continue
        if any_weight(rows, name, hands):
            break
        zero.append(name)
    else:
        found = (
            f"has {' and '.join(zero)} that are 0 in all unflagged samples" if zero else "has no weights in all rows"
        )
        raise ContractError(path, f"{found} ({', '.join(WEIGHTS)} would do); {INITWEIGHTS}")
    lines.append(f"weights from {name}{' as 1 / sigma^2' if name.startswith('SIGMA') else ''}")
    if zero:
        text = f"{' and '.join(zero)} is 0 in all unflagged samples: weights are from {name} instead"
        warnings.warn(f"{path.name}: {text}", DataWarning, stacklevel=2)
        lines.append(f"assumed weights from {name}, for {' and '.join(zero)} is 0 in all unflagged samples")
    elif name.startswith("SIGMA"):
        lines.append(f"assumed weights from {name}, for no row, or not every row, has a WEIGHT")
    if column == "DATA" and corrected and name.startswith("WEIGHT"):
        lines.append(f"assumed {name} to be that of DATA; CASA scales it with CORRECTED_DATA (calwt)")
    return name, lines


def any_weight(rows: Any, name: str, hands: Mapping[int, np.ndarray]) -> bool:
    """Return whether an unflagged sample has a weight, or there is no unflagged sample at all; stops at the first."""
    unflagged = False
    for ddid, of_setup in hands.items():
        with closing(rows.query(f"DATA_DESC_ID == {ddid}")) as part:
            first, step, n = 0, FIRST_LOOK, part.nrows()
            while first < n:
                good = ~part.getcol("FLAG", first, min(step, n - first))[..., of_setup]
                good[part.getcol("FLAG_ROW", first, len(good))] = False
                weight = weights_of(part, name, first, len(good))[..., of_setup]
                if np.any(weight[good if name.endswith("SPECTRUM") else good.any(axis=1)] != 0):
                    return True
                unflagged = unflagged or bool(good.any())
                first += step
                step = min(2 * step, rows_per_block(good[0].size))
    return not unflagged


def weights_of(rows: Any, name: str, first: int, n: int) -> np.ndarray:
    """Return weights [row, correlation] or [row, channel, correlation] of rows; 0 where SIGMA is not positive."""
    values = rows.getcol(name, first, n)
    if name.startswith("WEIGHT"):
        return values
    known = np.isfinite(values) & (values > 0)
    return np.divide(1.0, np.square(values, dtype=np.float64), out=np.zeros(values.shape), where=known)
