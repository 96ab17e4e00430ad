"""What the headers and tables of a UVFITS file say about frequency, sources and antennas."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.readers.array_position import array_position
from vis_gridder.readers.axis import SpectralAxis, spectral_axis
from vis_gridder.readers.directions import icrs_degrees

__all__ = ["SourceRow", "antenna_diameters", "antenna_position", "frequency_axis", "frequency_frame", "sources"]

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


class SourceRow(NamedTuple):
    """One row of the source table."""

    name: str
    ra_deg: float
    dec_deg: float
    rest_frequency_hz: float | None


def _axis(header: Any, kind: str) -> int | None:
    axes = range(2, header["NAXIS"] + 1)
    return next((i for i in axes if str(header.get(f"CTYPE{i}", "")).strip().upper() == kind), None)


def frequency_axis(where: object, hdus: Any, window: int, n_channels: int, setup: int | None = None) -> SpectralAxis:
    """Return the frequency axis of one IF: the header's FREQ axis plus the IF's offset in the FQ table.

    Args:
        where: the file, for messages.
        hdus: its header and tables.
        window: which IF, from 0.
        n_channels: length of the axis.
        setup: the frequency setup (FREQSEL) of the data; the table's first where they tell none.

    """
    header = hdus[0].header
    at = _axis(header, "FREQ")
    step = float(header[f"CDELT{at}"])
    offset = 0.0
    table = _table(hdus, "AIPS FQ")
    if table is not None:
        row = 0
        if setup is not None and "FRQSEL" in table.names and setup in (numbers := table["FRQSEL"].tolist()):
            row = numbers.index(setup)
        offset = float(np.atleast_1d(table["IF FREQ"][row])[window])
        width = float(np.atleast_1d(table["CH WIDTH"][row])[window])
        sideband = float(np.atleast_1d(table["SIDEBAND"][row])[window]) if "SIDEBAND" in table.names else 1.0
        # AIPS writes the lower sideband with positive widths, CASA with CDELT of the right sign already.
        if abs(abs(width) - abs(step)) > 0.01 * abs(step):
            step = width
        if sideband < 0 and step > 0:
            step = -step
    channel = np.arange(n_channels) + 1 - float(header[f"CRPIX{at}"])
    frequency = float(header[f"CRVAL{at}"]) + offset + channel * step
    return spectral_axis(where, frequency, np.full(n_channels, abs(step)))


def frequency_frame(header: Any) -> FrequencyFrame:
    """Return the frame of the frequencies: SPECSYS, or AIPS's VELREF."""
    if "SPECSYS" in header:
        return FRAMES.get(str(header["SPECSYS"]).strip().upper(), "UNKNOWN")
    velref = int(header.get("VELREF", 0)) % 256
    return {1: "LSRK", 2: "BARY", 3: "TOPO"}.get(velref, "UNKNOWN")  # type: ignore[return-value]


def sources(hdus: Any) -> dict[int, SourceRow]:
    """Return the sources by their number; number 0 is what the header says, for files without a table."""
    header = hdus[0].header
    rest = float(header.get("RESTFREQ", header.get("RESTFRQ", 0.0))) or None
    equinox = float(header.get("EQUINOX", header.get("EPOCH", 2000.0)))
    ra, dec = (float(header[f"CRVAL{at}"]) if (at := _axis(header, kind)) else 0.0 for kind in ("RA", "DEC"))
    found = {0: SourceRow(str(header.get("OBJECT", "unknown")).strip(), *icrs_degrees(ra, dec, equinox), rest)}
    table = _table(hdus, "AIPS SU")
    if table is not None:
        for row in table:
            line = float(np.atleast_1d(row["RESTFREQ"])[0]) if "RESTFREQ" in table.names else 0.0
            place = icrs_degrees(float(row["RAEPO"]), float(row["DECEPO"]), float(row["EPOCH"]))
            name = str(row["SOURCE"]).strip("\0 ")
            found[int(row["ID. NO."])] = SourceRow(name, *place, line if line > 0 else rest)
    return found


def antenna_diameters(hdus: Any, antennas: np.ndarray) -> np.ndarray | None:
    """Return the diameters of the antennas numbered, m, or None where the table has none."""
    table = _table(hdus, "AIPS AN")
    if table is None or "DIAMETER" not in table.names:
        return None
    return np.asarray(table["DIAMETER"], float)[np.isin(table["NOSTA"], antennas)]


def antenna_position(hdus: Any, antennas: np.ndarray) -> tuple[float, float, float] | None:
    """Return where the array stands, geocentric, m, or None where the antenna table does not tell.

    That is the table's ARRAYX, ARRAYY, ARRAYZ, to which STABXYZ is relative (AIPS Memo 117, section 4.2); where
    they are zero, STABXYZ is geocentric itself.
    """
    hdu = _hdu(hdus, "AIPS AN")
    if hdu is None:
        return None
    array = np.array([float(hdu.header.get(f"ARRAY{axis}", 0.0)) for axis in "XYZ"])
    if array.any():
        return array_position(array)
    if "STABXYZ" not in hdu.data.names:
        return None
    return array_position(np.asarray(hdu.data["STABXYZ"], float)[np.isin(hdu.data["NOSTA"], antennas)])


def _table(hdus: Any, name: str) -> Any:
    hdu = _hdu(hdus, name)
    return None if hdu is None else hdu.data


def _hdu(hdus: Any, name: str) -> Any:
    tables = [hdu for hdu in hdus[1:] if hdu.name.strip() == name]
    if not tables:
        return None
    if tables[0].data is None or len(tables[0].data) == 0:
        raise ValueError(f"table {name} is empty")
    return tables[0]
