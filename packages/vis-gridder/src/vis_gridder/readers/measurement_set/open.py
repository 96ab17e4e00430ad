"""CASA Measurement Sets, by python-casacore: what to read, and what the tables say about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.readers.common.axis import SpectralAxis, spectral_axis
from vis_gridder.readers.common.choose import Choice, Choices, check_widths, choose, choose_several
from vis_gridder.readers.common.scans import choose_scans
from vis_gridder.readers.common.stream import Rows, damage_as_contract_error, stream
from vis_gridder.readers.measurement_set.columns import DataColumn, data_column, n_filled, weight_column
from vis_gridder.readers.measurement_set.damage import check_files
from vis_gridder.readers.measurement_set.fields import choose_target
from vis_gridder.readers.measurement_set.metadata import parallel_hands, utc_seconds
from vis_gridder.readers.measurement_set.observation import beam_arcsec, observation_of
from vis_gridder.readers.measurement_set.probe import probe
from vis_gridder.readers.measurement_set.rows import Reading, read_rows
from vis_gridder.readers.measurement_set.tables import Tables, among, check_unit, distinct
from vis_gridder.stream.source import Source

__all__ = ["open_measurement_set"]

NEEDED = ("UVW", "FLAG", "FLAG_ROW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "TIME")


def open_measurement_set(
    path: Path,
    *,
    field: Choices = None,
    spw: Choices = None,
    scan: str | int | None = None,
    observation: Choice = None,
    column: DataColumn | None = None,
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
        probe(path)
        ms = Tables(path, tables)
        with ms.open() as main:
            opening = _Opening(ms, main, field, observation, column)
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

    ms: Tables
    query: str
    reading: Reading

    def __call__(self) -> Iterator[Rows]:
        with (
            damage_as_contract_error(self.ms.path, "Measurement Set"),
            self.ms.open() as main,
            closing(main.query(self.query)) as selected,
        ):
            yield from read_rows(self.ms.path, selected, self.reading)


class _Opening:
    """One Measurement Set while its tables are looked through."""

    def __init__(self, ms: Tables, main: Any, field: Choices, observation: Choice, column: DataColumn | None) -> None:
        self.ms, self.path, self.main, self.column = ms, ms.path, main, column
        self.columns = set(main.colnames())
        self._check_columns()
        if main.nrows() == 0:
            raise ContractError(self.path, "has no rows")
        check_unit(self.path, main, "UVW", "m")
        with self.ms.open("FIELD") as table:
            self.names = self.ms.named(table.getcol("NAME"), distinct(main, "FIELD_ID"), "FIELD")
            check_unit(self.path, table, "PHASE_DIR", "rad")
            self.fields = choose_target(
                self.path, table, self.names, field, lambda fields: beam_arcsec(ms, main, fields)
            )
        self.history = list(self.fields.history)
        self.conditions = [among("FIELD_ID", self.fields.numbers)]
        if observation is not None:
            self._select_observation(observation)

    def _check_columns(self) -> None:
        missing = [name for name in NEEDED if name not in self.columns]
        if "FLOAT_DATA" in self.columns and not self.columns & {"DATA", "CORRECTED_DATA"}:
            raise ContractError(self.path, "holds FLOAT_DATA, spectra of single dishes; visibilities are due")
        if not self.columns & {"DATA", "CORRECTED_DATA"}:
            missing.append("DATA or CORRECTED_DATA")
        if missing:
            raise ContractError(self.path, f"lacks column {', '.join(missing)}; split or export it again")

    def _select_observation(self, wanted: Choice) -> None:
        with self.ms.open("OBSERVATION") as table, self.selected() as rows:
            numbers = distinct(rows, "OBSERVATION_ID")
            names = self.ms.named(table.getcol("TELESCOPE_NAME"), numbers, "OBSERVATION")
        number = choose(self.path, "observation", names, wanted)
        self.conditions.append(f"OBSERVATION_ID == {number}")
        self.history.append(f"kept observation {number}")

    def select_scans(self, wanted: str | int) -> None:
        """Keep the scans wanted; see `choose_scans`."""
        with self.selected() as rows:
            numbers = choose_scans(self.path, distinct(rows, "SCAN_NUMBER"), wanted)
        self.conditions.append(among("SCAN_NUMBER", numbers))
        self.history.append(f"kept scans {wanted}")

    def selected(self, *further: str) -> Any:
        return closing(self.main.query(self._query(*further)))

    def _query(self, *further: str) -> str:
        return " and ".join([*self.conditions, *further])

    def windows(self, wanted: Choices) -> list[int]:
        """Return the spectral windows wanted of those that hold data."""
        with self.ms.open("DATA_DESCRIPTION") as table:
            windows = table.getcol("SPECTRAL_WINDOW_ID")
            polarizations = table.getcol("POLARIZATION_ID")
        with self.selected() as rows:
            numbers = distinct(rows, "DATA_DESC_ID")
        window_of = self.ms.named(windows.tolist(), numbers, "DATA_DESCRIPTION")
        self.setups = {ddid: (window, int(polarizations[ddid])) for ddid, window in window_of.items()}
        with self.ms.open("SPECTRAL_WINDOW") as table:
            names = self.ms.named(table.getcol("NAME"), sorted(set(window_of.values())), "SPECTRAL_WINDOW")
        return choose_several(self.path, "spw", names, wanted)

    def axis(self, spw: int) -> SpectralAxis:
        with self.ms.open("SPECTRAL_WINDOW") as table:
            for column in ("CHAN_FREQ", "CHAN_WIDTH"):
                check_unit(self.path, table, column, "Hz")
            return spectral_axis(self.path, table.getcell("CHAN_FREQ", spw), table.getcell("CHAN_WIDTH", spw))

    def source(self, spw: int, axis: SpectralAxis) -> Source:
        """Return the stream of one spectral window."""
        notes: list[str] = []
        with self.ms.open("POLARIZATION") as table:
            hands: dict[int, np.ndarray] = {}
            for ddid, (window, polarization) in self.setups.items():
                if window == spw:
                    hands[ddid], note = parallel_hands(self.path, table.getcell("CORR_TYPE", polarization))
                    notes.append(note)
        of_window = among("DATA_DESC_ID", list(hands))
        with self.selected(of_window, "ANTENNA1 == ANTENNA2") as rows:
            if n_auto := rows.nrows():
                notes.append(f"dropped {n_auto} rows of autocorrelations")
        cross = (of_window, "ANTENNA1 != ANTENNA2")
        with self.selected(*cross) as rows:
            n_rows = rows.nrows()
            if n_rows == 0:
                raise ContractError(self.path, "has no cross-correlations to read")
            reading, line, further = self._reading(rows, hands)
            start_mjd_s = float(reading.to_utc(np.array([rows.getcell("TIME", 0)]))[0])
            notes += further
            observation, further = observation_of(
                self.ms, self.fields, self.names[self.fields.numbers[0]], spw, rows, axis
            )
        notes += further
        return stream(
            self.path,
            _Rows(self.ms, self._query(*cross), reading),
            observation=observation,
            axis=axis,
            n_rows=n_rows,
            start_mjd_s=start_mjd_s,
            history=[
                line,
                *self.history,
                *dict.fromkeys(notes),
            ],
        )

    def _reading(self, rows: Any, hands: dict[int, np.ndarray]) -> tuple[Reading, str, list[str]]:
        """Return how to read the rows, the line of history that names the column, and further lines."""
        column, line = data_column(self.path, rows, self.column)
        corrected = column == "DATA" and n_filled(rows, "CORRECTED_DATA") > 0
        weight, notes = weight_column(self.path, rows, hands, column, corrected=corrected)
        to_utc, assumed = utc_seconds(self.path, self.main)
        return Reading(column=column, weight=weight, hands=hands, to_utc=to_utc), line, [*notes, *assumed]
