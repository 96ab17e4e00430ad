"""The frequencies of an IF in a UVFITS file: the header's FREQ axis, the FQ table, and the source's offset."""

from __future__ import annotations

from typing import Any

import numpy as np
from steelyard_schemas import ContractError
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.readers.common.axis import SpectralAxis, spectral_axis
from vis_gridder.readers.uvfits.tables import elements, header_axis, table_hdu

__all__ = ["frequency_axis", "frequency_frame"]

FRAMES: dict[str, FrequencyFrame] = {
    "LSRK": "LSRK",
    "LSRD": "LSRD",
    "BARYCENT": "BARY",
    "TOPOCENT": "TOPO",
    "GEOCENTR": "GEO",
    "GALACTOC": "GALACTO",
    "SOURCE": "REST",
}
"""SPECSYS values of Greisen et al. 2006, Table 9."""
VELREF: dict[int, FrequencyFrame] = {
    1: "LSRK",
    2: "BARY",
    3: "TOPO",
    4: "LSRD",
    5: "GEO",
    6: "REST",
    7: "GALACTO",
}
"""AIPS's numbers for the frame of velocities, as casacore reads them; 256 is added for the radio definition."""
SAME_WIDTH = 1e-6
"""CH WIDTH is of single precision (6e-8); within this fraction CDELT is the same number in double precision."""


def frequency_axis(
    where: object, hdus: Any, window: int, n_channels: int, n_if: int, setup: int, offset_hz: float
) -> tuple[SpectralAxis, list[str]]:
    """Return the frequency axis of one IF, and lines of history about what was assumed of it.

    Args:
        where: the file, for messages.
        hdus: its header and tables.
        window: which IF, from 0.
        n_channels: length of the axis.
        n_if: number of IFs.
        setup: the frequency setup (FREQSEL) of the data; 0 where they name none.
        offset_hz: the source's FREQOFF.

    Raises:
        ContractError: the setup is not in the table, or what the file says of the channels' order does not agree.

    """
    header = hdus[0].header
    at = header_axis(header, "FREQ")
    step, notes = float(header[f"CDELT{at}"]), list[str]()
    first = float(header[f"CRVAL{at}"]) + offset_hz
    table = table_hdu(where, hdus, "AIPS FQ")
    if table is None and n_if > 1:
        raise ContractError(where, f"has {n_if} IFs but no AIPS FQ table with their frequencies; export it again")
    if table is not None:
        row, notes = _row(where, table.data, setup)
        first += float(elements(table.data, "IF FREQ", row)[window])
        step, more = _increment(where, header, table.data, row, window, step)
        notes += more
    if offset_hz:
        notes.append(f"added the source's FREQOFF, {offset_hz:g} Hz, to the frequencies of IF {window + 1}")
    channel = np.arange(n_channels) + 1 - float(header[f"CRPIX{at}"])
    return spectral_axis(where, first + channel * step, np.full(n_channels, abs(step))), notes


def _row(where: object, table: Any, setup: int) -> tuple[int, list[str]]:
    """Return the row of a frequency setup; a table of one row need not be asked."""
    numbers = table["FRQSEL"].tolist() if "FRQSEL" in table.names else list(range(1, len(table) + 1))
    if setup in numbers:
        return numbers.index(setup), []
    if len(numbers) == 1:
        number = numbers[0]
        return 0, [] if setup == 0 else [
            f"assumed frequency setup {number}, the only one in the FQ table, for rows of FREQSEL {setup}; "
            "correct FREQSEL if that is wrong"
        ]
    listing = ", ".join(map(str, numbers))
    if setup == 0:
        raise ContractError(
            where,
            f"has several frequency setups in its FQ table ({listing}) and no FREQSEL that says which; keep one",
        )
    raise ContractError(where, f"has rows of frequency setup {setup} (FREQSEL), but its FQ table only has {listing}")


def _increment(
    where: object, header: Any, table: Any, row: int, window: int, cdelt_hz: float
) -> tuple[float, list[str]]:
    """Return what an IF's frequency gains from channel to channel.

    CASA writes CH WIDTH with the sign of the increment and repeats that sign in SIDEBAND. AIPS writes positive
    widths, and SIDEBAND -1 where frequencies descend; Memo 117, section 4.7, has the increment as the product of
    both. So where a table has negative widths they say which IFs descend, and where it has none SIDEBAND does. CDELT
    is that of the first IF, and shows whether the rule fits the file.
    """
    widths = np.stack([elements(table, "CH WIDTH", i) for i in range(len(table))])
    bands = np.stack(
        [elements(table, "SIDEBAND", i) if "SIDEBAND" in table.names else 0 * w for i, w in enumerate(widths)]
    )
    size_hz = abs(float(widths[row, window]))
    if not size_hz > 0 or abs(size_hz - abs(cdelt_hz)) < SAME_WIDTH * abs(cdelt_hz):
        size_hz = abs(cdelt_hz)
    if (widths < 0).any():
        sign, note = _sign_by_width(where, float(np.sign(cdelt_hz)), widths, bands, row, window)
    else:
        by_casa = "casa" in str(header.get("ORIGIN", "")).lower()
        sign, note = _sign_by_sideband(where, float(np.sign(cdelt_hz)), bands, row, window, by_casa=by_casa)
    order = f"assumed that the channels of IF {window + 1} {'ascend' if sign > 0 else 'descend'}"
    return sign * size_hz, [f"{order}: {note}"] if note else []


def _sign_by_width(
    where: object, header_sign: float, widths: np.ndarray, bands: np.ndarray, row: int, window: int
) -> tuple[float, str]:
    """Return 1 for ascending and -1 for descending channels where widths are signed, and why if that is assumed."""
    if widths[0, 0] * header_sign < 0:
        if header_sign > 0 and bands[0, 0] < 0 and (widths * bands >= 0).all():
            return 1.0, "CDELT and the product of CH WIDTH and SIDEBAND say so; make both positive if that is right"
        raise _contradiction(where, "CH WIDTH", header_sign)
    if widths[row, window] > 0 > bands[row, window]:
        raise ContractError(
            where,
            f"has a positive CH WIDTH and SIDEBAND -1 for IF {window + 1}, and negative widths for others, so that "
            "its channels may ascend or descend; make the signs of both equal in the FQ table",
        )
    return float(np.sign(widths[row, window])) or header_sign, ""


def _sign_by_sideband(
    where: object, header_sign: float, bands: np.ndarray, row: int, window: int, *, by_casa: bool
) -> tuple[float, str]:
    """Return 1 for ascending, -1 for descending channels where no width is negative, and why if that is assumed."""
    mine, first = (-1.0 if band < 0 else 1.0 for band in (bands[row, window], bands[0, 0]))
    by_sideband = "its SIDEBAND says so and no CH WIDTH is negative; make CH WIDTH negative where they descend"
    if header_sign * first >= 0:
        # CASA may copy the first IF's width to all, and SIDEBAND may then be the receiver's.
        return mine, by_sideband if by_casa and mine != first else ""
    if header_sign < 0:
        if (bands < 0).any():
            raise _contradiction(where, "SIDEBAND", header_sign)
        return -1.0, "CDELT says so though CH WIDTH and SIDEBAND are positive; correct CDELT or the FQ table if not"
    if by_casa:
        return 1.0, "CDELT and CH WIDTH say so; SIDEBAND is taken for the receiver's. Make CH WIDTH negative if not"
    return mine, by_sideband if mine < 0 else ""


def _contradiction(where: object, column: str, header_sign: float) -> ContractError:
    order = "ascend" if header_sign > 0 else "descend"
    return ContractError(
        where, f"says by CDELT that the channels of IF 1 {order}, by {column} that they do not; correct one of them"
    )


def frequency_frame(header: Any) -> tuple[FrequencyFrame, list[str]]:
    """Return the frame of the frequencies, SPECSYS or else VELREF, and a line of history if that is assumed."""
    if "SPECSYS" in header:
        name = str(header["SPECSYS"]).strip().upper()
        if name == "HELIOCEN":
            return "BARY", ["assumed the barycentre for SPECSYS HELIOCEN: the two differ by 13 m/s at most"]
        return (FRAMES[name], []) if name in FRAMES else ("UNKNOWN", [_unknown_frame(f"SPECSYS {name!r}")])
    velref = int(header.get("VELREF", 0))
    frame = VELREF.get(velref % 256)
    if frame is None:
        return "UNKNOWN", [_unknown_frame(f"VELREF {velref}" if velref else "no SPECSYS")]
    return frame, [
        f"assumed that frequencies are in the frame of velocities, {frame} (VELREF {velref}): the file has no "
        "SPECSYS; write it if they are in another"
    ]


def _unknown_frame(why: str) -> str:
    return f"assumed frequencies to stay as they are: the file has {why}, and with it no known frame; write SPECSYS"
