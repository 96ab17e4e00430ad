"""Frame, time, telescope and line from the tables of a Measurement Set, and assumptions where they are silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
from astropy.time import Time
from steelyard_schemas import ContractError
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.readers.measurement_set.tables import check_unit

__all__ = [
    "line_rest_frequency",
    "parallel_hands",
    "spectral_frame",
    "telescope_name",
    "utc_seconds",
]

HANDS = {5: "RR", 8: "LL", 9: "XX", 12: "YY"}
STOKES_I = 1
MJD_ZERO = 2_400_000.5

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


def spectral_frame(spectral_window: Any, spw: int) -> tuple[FrequencyFrame, list[str]]:
    """Return the frame of a spectral window's frequencies, and what was assumed.

    The codes of MEAS_FREQ_REF are those that the column CHAN_FREQ lists, where it does.
    """
    info = spectral_window.getcolkeywords("CHAN_FREQ").get("MEASINFO", {})
    if info.get("VarRefCol", "MEAS_FREQ_REF") in spectral_window.colnames():
        code = int(spectral_window.getcell(info.get("VarRefCol", "MEAS_FREQ_REF"), spw))
        listed = zip(np.ravel(info.get("TabRefCodes", [])).tolist(), info.get("TabRefTypes", []), strict=False)
        name = dict(listed).get(code) or FRAMES.get(code, str(code))
    else:
        name = str(info.get("Ref", "not stated"))
    if name in FRAMES.values():
        return cast("FrequencyFrame", name), []
    return "UNKNOWN", [f"assumed frequencies to stay as they are: their frame is {name} (column MEAS_FREQ_REF)"]


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
    if hands.size == 1:
        name = HANDS[int(kinds[hands[0]])]
        return hands, f"assumed {name} to be Stokes I (unpolarised emission): CORR_TYPE has no other parallel hand"
    return hands, f"averaged {' and '.join(HANDS[int(k)] for k in kinds[hands])} to Stokes I by weight"


TIME_SCALES = {
    "TAI": "tai",
    "IAT": "tai",
    "TT": "tt",
    "TDT": "tt",
    "ET": "tt",
    "TDB": "tdb",
    "TCB": "tcb",
    "TCG": "tcg",
}
"""casacore's names of time scales, and astropy's."""
NEAR_UTC = ("UT", "UT1", "UT2")
"""Scales within 0.9 s of UTC, in which a baseline turns by less than 14 arcsec."""


def utc_seconds(where: object, main: Any) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """Return the function that turns the TIME column into UTC, modified Julian date in seconds, and what was assumed.

    Raises:
        ContractError: the column's time scale is none of the civil or atomic ones, or its unit is not the second.

    """
    check_unit(where, main, "TIME", "s")
    scale = str(main.getcolkeywords("TIME").get("MEASINFO", {}).get("Ref", "")).upper()
    if scale == "UTC":
        return _as_it_is, []
    if not scale:
        return _as_it_is, ["assumed times in UTC: the keyword MEASINFO of TIME does not give their scale"]
    if scale in NEAR_UTC:
        return _as_it_is, [f"assumed that times in {scale} are UTC, which is within 0.9 s (keyword MEASINFO of TIME)"]
    if scale not in TIME_SCALES:
        raise ContractError(where, f"has TIME in the scale {scale}; UTC, TAI or TT is due")
    return lambda time: _to_utc(time, TIME_SCALES[scale]), []


def _as_it_is(time: np.ndarray) -> np.ndarray:
    return time


def _to_utc(time: np.ndarray, scale: str) -> np.ndarray:
    # Each moment by itself: concatenated observations may lie on either side of a leap second.
    moments, back = np.unique(time, return_inverse=True)
    days = np.floor(moments / 86400.0)
    fraction = moments / 86400.0 - days
    utc = Time(days, fraction, format="mjd", scale=scale).utc
    offset_days = (utc.jd1 - MJD_ZERO - days) + (utc.jd2 - fraction)
    return (moments + 86400.0 * offset_days)[back].reshape(np.shape(time))


def line_rest_frequency(
    where: object, table: Any, sources: Iterable[int], spw: int
) -> tuple[float | None, list[str]]:
    """Return the rest frequency that the SOURCE table gives for sources in a window, Hz, and what was assumed.

    The table has a row for each source, window and time, and a row may hold several transitions; the first stands for
    them. Rows of this very window come before those of all windows (-1).
    """
    if "REST_FREQUENCY" not in table.colnames():
        return None, []
    check_unit(where, table, "REST_FREQUENCY", "Hz")
    of_window: dict[float, str] = {}
    of_all: dict[float, str] = {}
    for row in range(table.nrows()):
        window = int(table.getcell("SPECTRAL_WINDOW_ID", row))
        if int(table.getcell("SOURCE_ID", row)) not in sources or window not in (-1, spw):
            continue
        if not table.iscelldefined("REST_FREQUENCY", row):
            continue
        values = np.ravel(table.getcell("REST_FREQUENCY", row))
        lines = _transitions(table, row, values.size)
        for value, line in zip(values.tolist(), lines, strict=True):
            if np.isfinite(value) and value > 0:
                (of_window if window == spw else of_all).setdefault(float(value), line)
    found = of_window or of_all
    if not found:
        return None, []
    first, *others = [f"{value:.9g} Hz{f' ({line})' if line else ''}" for value, line in found.items()]
    if others:
        note = f"assumed the rest frequency {first}, the first of the SOURCE table, not {', '.join(others)}"
        return next(iter(found)), [f"{note}; --rest-frequency-hz replaces it"]
    return next(iter(found)), [f"rest frequency {first} from the SOURCE table"]


def _transitions(table: Any, row: int, n: int) -> list[str]:
    """Return the names of a row's lines, empty where the table has none."""
    if "TRANSITION" not in table.colnames() or not table.iscelldefined("TRANSITION", row):
        return [""] * n
    cell = table.getcell("TRANSITION", row)
    names = cell["array"] if isinstance(cell, dict) else cell
    return [str(name) for name in names] if len(names) == n else [""] * n


def telescope_name(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, list[str]]:
    """Return the telescope of the observations that rows are from, and what was assumed.

    Args:
        names: names of the OBSERVATION table.
        numbers: the observations.

    """
    known = list(dict.fromkeys(names[n].strip() for n in numbers if 0 <= n < len(names) and names[n].strip()))
    if not known:
        return "unknown", ["assumed an unknown telescope: TELESCOPE_NAME of OBSERVATION is empty or unknown"]
    if len(known) > 1:
        return " + ".join(known), [f"assumed observations of {' and '.join(known)} to fit; --observation chooses"]
    return known[0], []
