"""Observation of selected rows from the subtables of a Measurement Set: telescope, dishes, frame, line."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
from steelyard_schemas import ContractError, Observation

from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.readers.common.array_position import array_position
from vis_gridder.readers.common.axis import SpectralAxis, doubtful_rest_frequency
from vis_gridder.readers.common.telescopes import dish_diameter
from vis_gridder.readers.measurement_set.fields import Fields
from vis_gridder.readers.measurement_set.metadata import (
    line_rest_frequency,
    spectral_frame,
    telescope_name,
)
from vis_gridder.readers.measurement_set.rows import longest_baseline_m
from vis_gridder.readers.measurement_set.tables import Tables, among, check_unit, distinct

__all__ = ["beam_arcsec", "observation_of"]


def observation_of(
    ms: Tables, fields: Fields, target: str, spw: int, rows: Any, axis: SpectralAxis
) -> tuple[Observation, list[str]]:
    """Return what is known of rows of one spectral window, and lines of history.

    Args:
        ms: the file.
        fields: that the rows are of.
        target: its name.
        spw: the window.
        rows: at least one, no autocorrelations.
        axis: the window's channels.

    Raises:
        ContractError: the rows name antennas that are not there, their dishes are of several diameters, or a unit is
            wrong.

    """
    with ms.open("OBSERVATION") as table:
        numbers = distinct(rows, "OBSERVATION_ID") if "OBSERVATION_ID" in rows.colnames() else [0]
        telescope, notes = telescope_name(table.getcol("TELESCOPE_NAME") if table.nrows() else [], numbers)
    names, diameters, positions = _antennas(ms, rows)
    dish_m, note = dish_diameter(ms.path, telescope, diameters, names)
    rest_hz, of_line = _rest_frequency(ms, fields, spw, axis)
    with ms.open("SPECTRAL_WINDOW") as table:
        frame, of_frame = spectral_frame(table, spw)
    return Observation(
        target=target,
        telescope=telescope,
        dish_diameter_m=dish_m,
        phase_centre_ra_deg=fields.ra_deg,
        phase_centre_dec_deg=fields.dec_deg,
        frequency_frame=frame,
        rest_frequency_hz=rest_hz,
        array_position_m=array_position(positions),
    ), [*notes, note, *of_line, *of_frame]


def _antennas(ms: Tables, rows: Any) -> tuple[list[str], np.ndarray | None, np.ndarray]:
    """Return names, diameters and positions of the antennas of rows, None or empty where there are none."""
    # Rows that are flagged altogether say nothing of the dishes that are left.
    with closing(rows.query("not FLAG_ROW")) as unflagged:
        of = unflagged if unflagged.nrows() else rows
        antennas = np.union1d(distinct(of, "ANTENNA1"), distinct(of, "ANTENNA2")).astype(int)
    with ms.open("ANTENNA") as table:
        if antennas[0] < 0 or antennas[-1] >= table.nrows():
            raise ContractError(ms.path, "has rows of antennas that its ANTENNA table lacks; export it again")
        columns = table.colnames()
        for column in {"DISH_DIAMETER", "POSITION"} & set(columns):
            check_unit(ms.path, table, column, "m")
        names = [str(table.getcell("NAME", antenna)) for antenna in antennas]
        diameters = table.getcol("DISH_DIAMETER")[antennas] if "DISH_DIAMETER" in columns else None
        return names, diameters, table.getcol("POSITION")[antennas] if "POSITION" in columns else np.empty(0)


def _rest_frequency(ms: Tables, fields: Fields, spw: int, axis: SpectralAxis) -> tuple[float | None, list[str]]:
    if not ms.holds("SOURCE"):
        return None, []
    with ms.open("FIELD") as table:
        has_source = "SOURCE_ID" in table.colnames()
        sources = [int(table.getcell("SOURCE_ID", n)) for n in fields.numbers] if has_source else []
    with ms.open("SOURCE") as table:
        rest_hz, notes = line_rest_frequency(ms.path, table, sources, spw)
    if rest_hz is not None and doubtful_rest_frequency(rest_hz, axis.frequency_hz, axis.width_hz):
        notes = [
            f"assumed the rest frequency {rest_hz:.9g} Hz of the SOURCE table, though it is that of a channel at the "
            "end of the band, as CASA's simulator writes for want of a line; --rest-frequency-hz replaces it"
        ]
    return rest_hz, notes


def beam_arcsec(ms: Tables, main: Any, fields: list[int]) -> float:
    """Return the synthesised beam of fields, wavelength over longest baseline, at their highest frequency."""
    with closing(main.query(f"{among('FIELD_ID', fields)} and ANTENNA1 != ANTENNA2")) as rows:
        longest_m = longest_baseline_m(rows)
        setups = distinct(rows, "DATA_DESC_ID")
    with ms.open("DATA_DESCRIPTION") as table:
        windows = ms.named(table.getcol("SPECTRAL_WINDOW_ID").tolist(), setups, "DATA_DESCRIPTION")
    with ms.open("SPECTRAL_WINDOW") as table:
        highest_hz = max((float(np.max(table.getcell("CHAN_FREQ", w))) for w in windows.values()), default=np.inf)
    return SPEED_OF_LIGHT_M_S / highest_hz / longest_m / ARCSEC if longest_m > 0 else 0.0
