"""The sources of a UVFITS file: names, directions, rest frequencies and frequency offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.readers.common.directions import icrs_degrees, known_equinox
from vis_gridder.readers.uvfits.tables import elements, header_axis, table_hdu

__all__ = ["SourceRow", "source_of", "sources"]


@dataclass(frozen=True, eq=False)
class SourceRow:
    """A source: direction at its own equinox and in ICRS, degrees; rest frequency and offset of each IF, Hz.

    `notes` are lines of history about what was assumed.
    """

    name: str
    ra_deg: float
    dec_deg: float
    equinox: float
    rest_hz: np.ndarray
    offset_hz: np.ndarray
    header_rest_hz: float | None
    notes: tuple[str, ...] = ()

    @property
    def icrs_deg(self) -> tuple[float, float]:
        """Right ascension and declination, ICRS."""
        return icrs_degrees(self.ra_deg, self.dec_deg, self.equinox)

    def rest_frequency_hz(self, window: int) -> tuple[float | None, list[str]]:
        """Return the rest frequency of one IF, from 0, and what was assumed of it."""
        value, notes = self._of(self.rest_hz, window, "RESTFREQ")
        return (value, notes) if value > 0 else (self.header_rest_hz, [])

    def frequency_offset_hz(self, window: int) -> tuple[float, list[str]]:
        """Return what is to be added to the frequencies of one IF, from 0, and what was assumed of it."""
        return self._of(self.offset_hz, window, "FREQOFF")

    def _of(self, values: np.ndarray, window: int, column: str) -> tuple[float, list[str]]:
        if window < values.size:
            value, notes = float(values[window]), []
        elif values.size == 1:
            value = float(values[0])
            notes = [f"assumed {column} {value:.15g} Hz for IF {window + 1}: the SU table has one value for all IFs"]
        else:
            return 0.0, []
        return (value, notes) if np.isfinite(value) and value else (0.0, [])


def sources(where: object, hdus: Any, setup: int | None, *, numbered: bool) -> dict[int, SourceRow]:
    """Return the sources by number: those of the SU table, or number 0, the header's.

    Args:
        where: the file, for messages.
        hdus: its header and tables.
        setup: the frequency setup, where there are SU tables for each.
        numbered: whether the data name their source (SOURCE); a file whose data do not has one.

    """
    header = hdus[0].header
    hdu = table_hdu(where, hdus, "AIPS SU", setup)
    if hdu is None or (not numbered and header_axis(header, "RA") is not None):
        return {0: _of_header(header)}
    rest_hz = _header_rest_hz(header)
    table, found = hdu.data, {}
    for i, row in enumerate(table):
        equinox = float(row["EPOCH"])
        found[int(row["ID. NO."])] = SourceRow(
            str(row["SOURCE"]).strip("\0 "),
            float(row["RAEPO"]),
            float(row["DECEPO"]),
            equinox,
            elements(table, "RESTFREQ", i),
            elements(table, "FREQOFF", i),
            rest_hz,
            _about_equinox(equinox),
        )
    return found


def source_of(where: object, known: dict[int, SourceRow], number: int) -> SourceRow:
    """Return the source that a number in the data stands for.

    Args:
        where: the file, for messages.
        known: sources by number; see `sources`.
        number: what the data have.

    Raises:
        ContractError: there are several sources, but not this one.

    """
    if number in known:
        return known[number]
    if len(known) > 1:
        raise ContractError(where, f"has rows of source {number}, which its SU table lacks; export the file again")
    only, row = next(iter(known.items()))
    kind = "the SU table's only one" if only else "the header's, as there is no SU table"
    note = f"assumed that source {number} is {row.name or 'the unnamed source'}, {kind}; correct SOURCE if it is not"
    return replace(row, notes=(*row.notes, note))


def _of_header(header: Any) -> SourceRow:
    equinox = float(header.get("EQUINOX", header.get("EPOCH", 2000.0)))
    axes = [header_axis(header, kind) for kind in ("RA", "DEC")]
    ra_deg, dec_deg = (float(header[f"CRVAL{axis}"]) if axis else 0.0 for axis in axes)
    notes = _about_equinox(equinox)
    if None in axes:
        notes = (*notes, "assumed right ascension and declination 0: the header has no RA and DEC axes; write them")
    none = np.empty(0)
    name = str(header.get("OBJECT", "unknown")).strip()
    return SourceRow(name, ra_deg, dec_deg, equinox, none, none, _header_rest_hz(header), notes)


def _header_rest_hz(header: Any) -> float | None:
    return float(header.get("RESTFREQ", header.get("RESTFRQ", 0.0))) or None


def _about_equinox(equinox: float) -> tuple[str, ...]:
    if known_equinox(equinox):
        return ()
    return (f"assumed equinox J2000 for the direction: the file gives {equinox:g}; write 1950 or 2000",)
