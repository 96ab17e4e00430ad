"""CASA Measurement Sets, by python-casacore: what to read, and what the tables say about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError, Observation

from vis_gridder.readers.array_position import array_position
from vis_gridder.readers.axis import spectral_axis
from vis_gridder.readers.choose import Choice, Choices, check_widths, choose, choose_several
from vis_gridder.readers.ms_files import check_files
from vis_gridder.readers.ms_metadata import (
    line_rest_frequency,
    parallel_hands,
    phase_centre,
    spectral_frame,
    utc_seconds,
)
from vis_gridder.readers.ms_rows import Reading, defined_everywhere, read_rows
from vis_gridder.readers.scans import choose_scans
from vis_gridder.readers.stream import Rows, damage_as_contract_error, stream
from vis_gridder.readers.telescopes import dish_diameter
from vis_gridder.source import Source

__all__ = ["open_measurement_set"]

NEEDED = ("UVW", "FLAG", "FLAG_ROW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME")


def open_measurement_set(
    path: Path,
    *,
    field: Choice = None,
    spw: Choices = None,
    scan: str | int | None = None,
    observation: Choice = None,
    allow_mixed_widths: bool = False,
) -> list[Source]:
    """Return a stream of Stokes I for each spectral window chosen; see `open_visibilities`.

    Rows are chosen by TaQL and read in the order of the file, a block at a time.

    Raises:
        ContractError: python-casacore is absent, or the data cannot be read or used.

    """
    try:
        from casacore import tables
    except ImportError as error:
        raise ContractError(
            path, 'is a Measurement Set, which needs python-casacore: pip install "vis-gridder[casa]"'
        ) from error
    with damage_as_contract_error(path, "Measurement Set"):
        check_files(path)
        with closing(tables.table(str(path), ack=False)) as main:
            opening = _Opening(path, tables, main, field, observation)
            if scan is not None:
                opening.select_scans(scan)
            windows = opening.windows(spw)
            axes = {window: opening.axis(window) for window in windows}
            if not allow_mixed_widths:
                check_widths(path, axes)
            return [opening.source(window, axes[window]) for window in windows]


@dataclass(frozen=True)
class _Rows:
    """Starts passes over the rows that a query selects."""

    path: Path
    tables: Any
    query: str
    reading: Reading

    def __call__(self) -> Iterator[Rows]:
        with (
            damage_as_contract_error(self.path, "Measurement Set"),
            closing(self.tables.table(str(self.path), ack=False)) as main,
            closing(main.query(self.query)) as selected,
        ):
            yield from read_rows(self.path, selected, self.reading)


class _Opening:
    """One Measurement Set while its tables are looked through; `tables` is the casacore module."""

    def __init__(self, path: Path, tables: Any, main: Any, field: Choice, observation: Choice) -> None:
        self.path, self.tables, self.main = path, tables, main
        self.columns = set(main.colnames())
        self._check_columns()
        if main.nrows() == 0:
            raise ContractError(path, "has no rows")
        self.history: list[str] = []
        with self.open("FIELD") as table:
            names = self._named(table.getcol("NAME"), self._distinct(main, "FIELD_ID"), "FIELD")
        self.field = choose(path, "field", names, field)
        self.conditions = [f"FIELD_ID == {self.field}"]
        if observation is not None:
            self._select_observation(observation)

    def open(self, name: str) -> Any:
        return closing(self.tables.table(str(self.path / name), ack=False))

    def _check_columns(self) -> None:
        missing = [name for name in NEEDED if name not in self.columns]
        if not self.columns & {"DATA", "CORRECTED_DATA"}:
            missing.append("DATA or CORRECTED_DATA")
        if not self.columns & {"WEIGHT", "WEIGHT_SPECTRUM"}:
            missing.append("WEIGHT")
        if missing:
            raise ContractError(self.path, f"lacks column {', '.join(missing)}; split or export it again")

    def _select_observation(self, wanted: Choice) -> None:
        with self.open("OBSERVATION") as table, self.selected() as rows:
            numbers = self._distinct(rows, "OBSERVATION_ID")
            names = self._named(table.getcol("TELESCOPE_NAME"), numbers, "OBSERVATION")
        number = choose(self.path, "observation", names, wanted)
        self.conditions.append(f"OBSERVATION_ID == {number}")
        self.history.append(f"kept observation {number}")

    def select_scans(self, wanted: str | int) -> None:
        """Keep the scans wanted; see `choose_scans`."""
        with self.selected() as rows:
            numbers = choose_scans(self.path, self._distinct(rows, "SCAN_NUMBER"), wanted)
        self.conditions.append(f"SCAN_NUMBER in [{', '.join(map(str, numbers))}]")
        self.history.append(f"kept scans {wanted}")

    def selected(self, *further: str) -> Any:
        return closing(self.main.query(self._query(*further)))

    def _query(self, *further: str) -> str:
        return " and ".join([*self.conditions, *further])

    @staticmethod
    def _distinct(table: Any, column: str) -> list[int]:
        with closing(table.query(columns=f"distinct {column}")) as found:
            return sorted(int(value) for value in found.getcol(column)) if found.nrows() else []

    def _named[T](self, names: Sequence[T], numbers: list[int], table: str) -> dict[int, T]:
        if numbers and not 0 <= numbers[0] <= numbers[-1] < len(names):
            raise ContractError(self.path, f"has rows of entries that its {table} table lacks; export it again")
        return {number: names[number] for number in numbers}

    def windows(self, wanted: Choices) -> list[int]:
        """Return the spectral windows wanted of those that hold data."""
        with self.open("DATA_DESCRIPTION") as table:
            windows = table.getcol("SPECTRAL_WINDOW_ID")
            polarizations = table.getcol("POLARIZATION_ID")
        with self.selected() as rows:
            numbers = self._distinct(rows, "DATA_DESC_ID")
        window_of = self._named(windows.tolist(), numbers, "DATA_DESCRIPTION")
        self.setups = {ddid: (window, int(polarizations[ddid])) for ddid, window in window_of.items()}
        with self.open("SPECTRAL_WINDOW") as table:
            names = self._named(table.getcol("NAME"), sorted(set(window_of.values())), "SPECTRAL_WINDOW")
        return choose_several(self.path, "spw", names, wanted)

    def axis(self, spw: int) -> Any:
        with self.open("SPECTRAL_WINDOW") as table:
            return spectral_axis(self.path, table.getcell("CHAN_FREQ", spw), table.getcell("CHAN_WIDTH", spw))

    def source(self, spw: int, axis: Any) -> Source:
        """Return the stream of one spectral window."""
        notes: list[str] = []
        with self.open("POLARIZATION") as table:
            hands: dict[int, np.ndarray] = {}
            for ddid, (window, polarization) in self.setups.items():
                if window == spw:
                    hands[ddid], note = parallel_hands(self.path, table.getcell("CORR_TYPE", polarization))
                    notes.append(note)
        of_window = f"DATA_DESC_ID in [{', '.join(map(str, hands))}]"
        with self.selected(of_window, "ANTENNA1 == ANTENNA2") as rows:
            if n_auto := rows.nrows():
                notes.append(f"dropped {n_auto} rows of autocorrelations")
        cross = (of_window, "ANTENNA1 != ANTENNA2")
        with self.selected(*cross) as rows:
            n_rows = rows.nrows()
            if n_rows == 0:
                raise ContractError(self.path, "has no cross-correlations to read")
            reading = self._reading(rows, hands)
            notes.append(f"weights from {'WEIGHT_SPECTRUM' if reading.spectrum else 'WEIGHT'}")
            antennas = np.union1d(self._distinct(rows, "ANTENNA1"), self._distinct(rows, "ANTENNA2"))
            start_mjd_s = float(reading.to_utc(rows.getcell("TIME", 0)))
            telescope_id = self._distinct(rows, "OBSERVATION_ID")[0] if "OBSERVATION_ID" in self.columns else 0
        observation, note = self._observation(spw, antennas.astype(int), telescope_id)
        return stream(
            self.path,
            _Rows(self.path, self.tables, self._query(*cross), reading),
            observation=observation,
            axis=axis,
            n_rows=n_rows,
            start_mjd_s=start_mjd_s,
            history=[
                f"read {reading.column} of a Measurement Set",
                *self.history,
                *dict.fromkeys(notes),
                note,
            ],
        )

    def _reading(self, rows: Any, hands: dict[int, np.ndarray]) -> Reading:
        # CASA may make the column CORRECTED_DATA before there is anything in it.
        corrected = "CORRECTED_DATA" in self.columns and rows.iscelldefined("CORRECTED_DATA", 0)
        column = "CORRECTED_DATA" if corrected or "DATA" not in self.columns else "DATA"
        spectrum = defined_everywhere(rows, "WEIGHT_SPECTRUM")
        if not spectrum and "WEIGHT" not in self.columns:
            raise ContractError(self.path, "has no WEIGHT, and WEIGHT_SPECTRUM has gaps; set weights (initweights)")
        return Reading(column=column, spectrum=spectrum, hands=hands, to_utc=utc_seconds(self.main))

    def _observation(self, spw: int, antennas: np.ndarray, telescope_id: int) -> tuple[Observation, str]:
        with self.open("FIELD") as table:
            target = table.getcell("NAME", self.field)
            ra_deg, dec_deg = phase_centre(self.path, table, self.field)
            source = int(table.getcell("SOURCE_ID", self.field)) if "SOURCE_ID" in table.colnames() else -1
        with self.open("OBSERVATION") as table:
            known = 0 <= telescope_id < table.nrows()
            telescope = table.getcell("TELESCOPE_NAME", telescope_id) if known else "unknown"
        with self.open("ANTENNA") as table:
            if antennas[0] < 0 or antennas[-1] >= table.nrows():
                raise ContractError(self.path, "has rows of antennas that its ANTENNA table lacks; export it again")
            columns = table.colnames()
            names = [table.getcell("NAME", antenna) for antenna in antennas]
            diameters = table.getcol("DISH_DIAMETER")[antennas] if "DISH_DIAMETER" in columns else None
            positions = table.getcol("POSITION")[antennas] if "POSITION" in columns else np.empty(0)
        dish_m, note = dish_diameter(self.path, telescope, diameters, names)
        rest_hz = None
        if (self.path / "SOURCE").is_dir():
            with self.open("SOURCE") as table:
                rest_hz = line_rest_frequency(table, source, spw)
        with self.open("SPECTRAL_WINDOW") as table:
            frame = spectral_frame(table, spw)
        return Observation(
            target=target,
            telescope=telescope,
            dish_diameter_m=dish_m,
            phase_centre_ra_deg=ra_deg,
            phase_centre_dec_deg=dec_deg,
            frequency_frame=frame,
            rest_frequency_hz=rest_hz,
            array_position_m=array_position(positions),
        ), note
