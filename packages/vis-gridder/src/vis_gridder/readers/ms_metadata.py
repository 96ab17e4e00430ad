"""What a Measurement Set's tables say about frame, direction, time and line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.time import Time
from steelyard_schemas import ContractError
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.readers.directions import icrs_degrees

__all__ = ["line_rest_frequency", "parallel_hands", "phase_centre", "spectral_frame", "utc_seconds"]

HANDS = {5: "RR", 8: "LL", 9: "XX", 12: "YY"}
STOKES_I = 1

FRAMES: dict[int, FrequencyFrame] = {
    0: "REST",
    1: "LSRK",
    2: "LSRD",
    3: "BARY",
    4: "GEO",
    5: "TOPO",
    6: "GALACTO",
}
"""casacore's MFrequency codes, the values of MEAS_FREQ_REF."""


def spectral_frame(spectral_window: Any, spw: int) -> FrequencyFrame:
    """Return the frame of a spectral window's frequencies."""
    return FRAMES.get(int(spectral_window.getcell("MEAS_FREQ_REF", spw)), "UNKNOWN")


def parallel_hands(where: object, corr_type: np.ndarray) -> tuple[np.ndarray, str]:
    """Return which correlations make Stokes I, and a sentence that says so.

    Args:
        where: the file, for messages.
        corr_type: casacore's Stokes codes, the values of CORR_TYPE.

    Raises:
        ContractError: there are none.

    """
    kinds = np.asarray(corr_type)
    if (whole := np.flatnonzero(kinds == STOKES_I)).size:
        return whole, "took Stokes I as stored"
    hands = np.flatnonzero(np.isin(kinds, list(HANDS)))
    if hands.size == 0:
        raise ContractError(where, f"has no parallel-hand correlations (CORR_TYPE {kinds.tolist()})")
    return hands, f"averaged {' and '.join(HANDS[int(k)] for k in kinds[hands])} to Stokes I by weight"


def phase_centre(where: object, field_table: Any, field: int) -> tuple[float, float]:
    """Return right ascension and declination of a field's phase centre, ICRS degrees.

    Raises:
        ContractError: the direction's frame is not one that has a fixed place on the sky.

    """
    ra_deg, dec_deg = np.rad2deg(np.atleast_2d(field_table.getcell("PHASE_DIR", field))[0])
    info = field_table.getcolkeywords("PHASE_DIR").get("MEASINFO", {})
    frame = info.get("Ref", "J2000")
    if (column := info.get("VarRefCol")) and column in field_table.colnames():
        code = field_table.getcell(column, field)
        names = dict(zip(np.asarray(info["TabRefCodes"]).tolist(), info["TabRefTypes"], strict=False))
        frame = names.get(code, code)
    if frame in ("J2000", "ICRS", "B1950"):
        return icrs_degrees(float(ra_deg), float(dec_deg), 1950.0 if frame == "B1950" else 2000.0)
    raise ContractError(where, f"has its phase centre in frame {frame}; J2000, ICRS or B1950 is due")


def utc_seconds(main: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns the TIME column into UTC, modified Julian date in seconds."""
    scale = str(main.getcolkeywords("TIME").get("MEASINFO", {}).get("Ref", "UTC")).lower()
    if scale not in ("tai", "tt", "tdb", "ut1"):
        return lambda time: time
    start = float(main.getcell("TIME", 0)) / 86400.0
    # One offset will do: leap seconds are announced, never within an observation that is fit for use.
    moment = Time(start, format="mjd", scale="utc" if scale == "ut1" else scale)
    offset = (moment.utc.mjd - start) * 86400.0
    return lambda time: time + offset


def line_rest_frequency(source_table: Any, source: int, spw: int) -> float | None:
    """Return the rest frequency that the SOURCE table gives for a source and spectral window, Hz."""
    if "REST_FREQUENCY" not in source_table.colnames():
        return None
    for row in range(source_table.nrows()):
        window = int(source_table.getcell("SPECTRAL_WINDOW_ID", row))
        if int(source_table.getcell("SOURCE_ID", row)) != source or window not in (-1, spw):
            continue
        if source_table.iscelldefined("REST_FREQUENCY", row):
            values = np.ravel(source_table.getcell("REST_FREQUENCY", row))
            if values.size and np.isfinite(values[0]) and values[0] > 0:
                return float(values[0])
    return None
