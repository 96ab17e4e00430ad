"""A script that opens the tables of a Measurement Set and reads the ends of their columns, to see if it survives.

It runs by itself (`probe` starts it) and imports nothing but casacore. Each table is named on standard output
before it is touched. What casacore raises is for the reader to report.
"""

from __future__ import annotations

import resource
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

COLUMNS = {
    "": (
        *("UVW", "FLAG", "FLAG_ROW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME"),
        *("OBSERVATION_ID", "DATA", "CORRECTED_DATA", "WEIGHT_SPECTRUM", "WEIGHT", "SIGMA_SPECTRUM", "SIGMA"),
    ),
    "ANTENNA": ("NAME", "DISH_DIAMETER", "POSITION"),
    "DATA_DESCRIPTION": ("SPECTRAL_WINDOW_ID", "POLARIZATION_ID"),
    "FIELD": ("NAME", "PHASE_DIR", "SOURCE_ID", "EPHEMERIS_ID", "PhaseDir_Ref"),
    "OBSERVATION": ("TELESCOPE_NAME",),
    "POLARIZATION": ("CORR_TYPE",),
    "SOURCE": ("SOURCE_ID", "SPECTRAL_WINDOW_ID", "REST_FREQUENCY", "TRANSITION"),
    "SPECTRAL_WINDOW": ("NAME", "CHAN_FREQ", "CHAN_WIDTH", "MEAS_FREQ_REF"),
}
"""What the reader uses: columns by table, the main one without a name."""
ROWS = 64
"""Read at either end of a column."""


def main(path: Path) -> None:
    """Touch what the reader uses in a folder."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from casacore import tables

    for name, columns in COLUMNS.items():
        if not (path / name).is_dir():
            continue
        print(name or "MAIN", flush=True)
        with suppress(Exception), closing(tables.table(str(path / name), ack=False, lockoptions="autonoread")) as one:
            _touch(one, columns)


def _touch(table: Any, columns: tuple[str, ...]) -> None:
    n_rows = table.nrows()
    firsts = sorted({0, max(0, n_rows - ROWS)})
    for column in sorted({*columns} & {*table.colnames()}):
        with suppress(Exception):
            table.getcolkeywords(column)
        for first in firsts:
            n = min(ROWS, n_rows - first)
            # Cells without a value, or of several shapes, do not come as one column.
            with suppress(Exception):
                table.getcol(column, first, n)
                continue
            for row in range(first, first + n):
                with suppress(Exception):
                    table.getcell(column, row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
