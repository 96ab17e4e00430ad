"""CASA Measurement Sets, by python-casacore."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError, Observation, Store, Visibilities

from vis_gridder.readers.assemble import Assembly
from vis_gridder.readers.axis import SpectralAxis, spectral_axis
from vis_gridder.readers.choose import choose
from vis_gridder.readers.ms_metadata import line_rest_frequency, phase_centre, spectral_frame, utc_seconds
from vis_gridder.readers.stokes import stokes_i
from vis_gridder.readers.telescopes import dish_diameter

__all__ = ["read_measurement_set"]

CHUNK_BYTES = 32 * 2**20
"""Of correlations held at a time; memory beyond the result stays at a few times this."""
HANDS = {5: "RR", 8: "LL", 9: "XX", 12: "YY"}
STOKES_I = 1
NEEDED = ("UVW", "FLAG", "FLAG_ROW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME")


def read_measurement_set(
    path: Path,
    *,
    field: str | int | None = None,
    spw: str | int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Store[Visibilities]:
    """Read one field and one spectral window of a Measurement Set as Stokes I; see `read_visibilities`.

    The main table is read in blocks of rows: memory beyond the result is bounded.

    Raises:
        ContractError: python-casacore is absent, or the data cannot be read or used.

    """
    try:
        from casacore import tables
    except ImportError as error:
        raise ContractError(
            path, 'is a Measurement Set, which needs python-casacore: pip install "vis-gridder[casa]"'
        ) from error
    try:
        return _Reader(path, tables, field, spw, progress).read()
    except RuntimeError as error:  # casacore's own errors; several lines, the first says it
        reason = str(error).strip().splitlines()[0]
        raise ContractError(path, f"is a damaged Measurement Set ({reason}); copy or export it again") from error


class _Reader:
    """One pass over one Measurement Set; `tables` is the casacore module."""

    def __init__(
        self,
        path: Path,
        tables: Any,
        field: str | int | None,
        spw: str | int | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.path, self.tables, self.field, self.spw, self.progress = path, tables, field, spw, progress
        self.history: list[str] = []

    def open(self, name: str = "") -> Any:
        return closing(self.tables.table(str(self.path / name) if name else str(self.path), ack=False))

    def read(self) -> Store[Visibilities]:
        with self.open() as main:
            columns = set(main.colnames())
            self._check_columns(columns)
            if main.nrows() == 0:
                raise ContractError(self.path, "has no rows")
            column = "CORRECTED_DATA" if "CORRECTED_DATA" in columns else "DATA"
            self.history.append(f"read {column} of a Measurement Set")
            field, spw, ddids = self._choose(main)
            axis, frame = self._spectral(spw)
            antennas = main.getcol("ANTENNA1"), main.getcol("ANTENNA2")
            wanted = np.isin(main.getcol("DATA_DESC_ID"), list(ddids)) & (main.getcol("FIELD_ID") == field)
            cross = antennas[0] != antennas[1]
            if n_auto := int(np.count_nonzero(wanted & ~cross)):
                self.history.append(f"dropped {n_auto} rows of autocorrelations")
            rows = np.flatnonzero(wanted & cross)
            used = np.unique(np.concatenate([ends[rows] for ends in antennas]))
            result = self._rows(main, rows, ddids, column, axis)
        return result.finish(self._observation(field, spw, frame, used), self.history)

    def _check_columns(self, columns: set[str]) -> None:
        missing = [name for name in NEEDED if name not in columns]
        if not columns & {"DATA", "CORRECTED_DATA"}:
            missing.append("DATA or CORRECTED_DATA")
        if not columns & {"WEIGHT", "WEIGHT_SPECTRUM"}:
            missing.append("WEIGHT")
        if missing:
            raise ContractError(self.path, f"lacks column {', '.join(missing)}; split or export it again")

    def _choose(self, main: Any) -> tuple[int, int, dict[int, np.ndarray]]:
        """Return field, spectral window, and the Stokes hands to read for each data description."""
        with self.open("FIELD") as table:
            names = table.getcol("NAME")
            present = np.unique(main.getcol("FIELD_ID"))
            field = choose(self.path, "field", {int(i): names[i] for i in present}, self.field)
        with self.open("DATA_DESCRIPTION") as table:
            windows = table.getcol("SPECTRAL_WINDOW_ID")
            polarizations = table.getcol("POLARIZATION_ID")
        with self.open("SPECTRAL_WINDOW") as table:
            names = table.getcol("NAME")
        of_field = main.getcol("FIELD_ID") == field
        ddids = np.unique(main.getcol("DATA_DESC_ID")[of_field])
        spw = choose(self.path, "spw", {int(windows[d]): names[windows[d]] for d in ddids}, self.spw)
        with self.open("POLARIZATION") as table:
            hands = {int(d): self._hands(table, polarizations[d]) for d in ddids if windows[d] == spw}
        return field, spw, hands

    def _hands(self, table: Any, row: int) -> np.ndarray:
        kinds = np.asarray(table.getcell("CORR_TYPE", int(row)))
        if (whole := np.flatnonzero(kinds == STOKES_I)).size:
            self.history.append("took Stokes I as stored")
            return whole
        hands = np.flatnonzero(np.isin(kinds, list(HANDS)))
        if hands.size == 0:
            raise ContractError(self.path, f"has no parallel-hand correlations (CORR_TYPE {kinds.tolist()})")
        self.history.append(f"averaged {' and '.join(HANDS[int(k)] for k in kinds[hands])} to Stokes I by weight")
        return hands

    def _spectral(self, spw: int) -> tuple[SpectralAxis, Any]:
        with self.open("SPECTRAL_WINDOW") as table:
            axis = spectral_axis(self.path, table.getcell("CHAN_FREQ", spw), table.getcell("CHAN_WIDTH", spw))
            return axis, spectral_frame(table, spw)

    def _rows(
        self, main: Any, rows: np.ndarray, ddids: dict[int, np.ndarray], column: str, axis: SpectralAxis
    ) -> Assembly:
        result = Assembly(self.path, rows.size, axis)
        to_utc = utc_seconds(main)
        ddid_of_row = main.getcol("DATA_DESC_ID")[rows]
        start = 0
        for ddid, hands in ddids.items():
            with closing(main.selectrows(rows[ddid_of_row == ddid])) as table:
                n_rows = table.nrows()
                if n_rows == 0:
                    continue
                spectrum = "WEIGHT_SPECTRUM" in table.colnames() and table.iscelldefined("WEIGHT_SPECTRUM", 0)
                self.history.append(f"weights from {'WEIGHT_SPECTRUM' if spectrum else 'WEIGHT'}")
                n_corr = np.asarray(table.getcell(column, 0)).shape[-1]
                step = max(1, CHUNK_BYTES // (8 * n_corr * axis.frequency_hz.size))
                for first in range(0, n_rows, step):
                    n = min(step, n_rows - first)
                    block = _Block(table, first, n, hands)
                    samples = stokes_i(self.path, block.cube(column), block.weight(spectrum), block.flag())
                    uvw = block("UVW")
                    result.put(
                        slice(start + first, start + first + n),
                        samples,
                        u_m=uvw[:, 0],
                        v_m=uvw[:, 1],
                        w_m=uvw[:, 2],
                        time_mjd_s=to_utc(block("TIME")),
                        antenna1=block("ANTENNA1"),
                        antenna2=block("ANTENNA2"),
                        scan=block("SCAN_NUMBER"),
                    )
                    if self.progress:
                        self.progress(start + first + n, rows.size)
                start += n_rows
        return result

    def _observation(self, field: int, spw: int, frame: Any, used: np.ndarray) -> Observation:
        with self.open("FIELD") as table:
            target = table.getcell("NAME", field)
            ra_deg, dec_deg = phase_centre(self.path, table, field)
            source = int(table.getcell("SOURCE_ID", field))
        with self.open("OBSERVATION") as table:
            telescope = table.getcell("TELESCOPE_NAME", 0) if table.nrows() else "unknown"
        with self.open("ANTENNA") as table:
            diameters = table.getcol("DISH_DIAMETER") if "DISH_DIAMETER" in table.colnames() else None
        dish_m, note = dish_diameter(telescope, None if diameters is None else diameters[used])
        self.history.append(note)
        rest_hz = None
        if (self.path / "SOURCE").is_dir():
            with self.open("SOURCE") as table:
                rest_hz = line_rest_frequency(table, source, spw)
        return Observation(
            target=target,
            telescope=telescope,
            dish_diameter_m=dish_m,
            phase_centre_ra_deg=ra_deg,
            phase_centre_dec_deg=dec_deg,
            frequency_frame=frame,
            rest_frequency_hz=rest_hz,
        )


class _Block:
    """Rows `first` to `first + n` of a table, correlations cut to the parallel hands."""

    def __init__(self, table: Any, first: int, n: int, hands: np.ndarray) -> None:
        self.table, self.first, self.n, self.hands = table, first, n, hands

    def __call__(self, column: str) -> np.ndarray:
        return self.table.getcol(column, self.first, self.n)

    def cube(self, column: str) -> np.ndarray:
        return self(column)[..., self.hands]

    def flag(self) -> np.ndarray:
        return self.cube("FLAG") | self("FLAG_ROW")[:, None, None]

    def weight(self, spectrum: bool) -> np.ndarray:
        return self.cube("WEIGHT_SPECTRUM") if spectrum else self.cube("WEIGHT")[:, None, :]
