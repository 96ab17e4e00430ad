"""One target of a Measurement Set under one or several numbers of its FIELD table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from steelyard_schemas import ContractError

from vis_gridder.readers.common.choose import Choices, choose_fields
from vis_gridder.readers.common.directions import icrs_degrees

__all__ = ["Fields", "choose_target", "phase_centre"]

PART_OF_BEAM = 0.1
"""Directions that differ by less than this part of the synthesised beam are one target's."""
ROUNDING_ARCSEC = 1e-3
"""Directions closer than this are the same, whatever the beam."""
MOST_LISTED = 12


@dataclass(frozen=True)
class Fields:
    """Fields that are one target.

    Attributes:
        numbers: of their entries, ascending.
        ra_deg: phase centre of the first, ICRS.
        dec_deg: its declination.
        history: what was assumed.

    """

    numbers: list[int]
    ra_deg: float
    dec_deg: float
    history: list[str]


def choose_target(
    path: Path, table: Any, names: Mapping[int, str], wanted: Choices, beam_arcsec: Callable[[list[int]], float]
) -> Fields:
    """Return the fields wanted, which must point in one direction within a tenth of the beam.

    Args:
        path: the file, for messages.
        table: its FIELD table.
        names: number to name of the fields that hold data.
        wanted: numbers, names or "all"; None for the only target.
        beam_arcsec: gives the synthesised beam of some fields; asked only where directions differ.

    Raises:
        ContractError: nothing fits, directions differ, or one has no fixed place on the sky.

    """
    numbers = choose_fields(path, names, wanted)
    if len(numbers) == 1:
        return Fields(numbers, *phase_centre(path, table, numbers[0]), history=[])
    places: dict[int, SkyCoord | None] = {number: _place(path, table, number) for number in numbers}
    first = places[numbers[0]]
    fixed = [place for place in places.values() if place is not None]
    apart = max((float(fixed[0].separation(place).arcsec) for place in fixed), default=0.0)
    if len(fixed) == len(numbers) and first is not None:
        beam = beam_arcsec(numbers) if apart > ROUNDING_ARCSEC else np.inf
        if apart < max(ROUNDING_ARCSEC, PART_OF_BEAM * beam):
            listing = ", ".join(f"{number} ({names[number]})" for number in numbers)
            part = f", {100 * apart / beam:.2g} % of the beam" if np.isfinite(beam) else ""
            note = f"assumed fields {listing} to be one target: {apart:.2g} arcsec apart{part}; --field chooses"
            return Fields(numbers, *phase_centre(path, table, numbers[0]), history=[note])
    listing = _positions(names, places)
    if wanted is None:
        raise ContractError(path, f"holds several, choose one by field=: {listing}")
    raise ContractError(
        path, f"has fields in different directions: {listing}; choose one by field= (mosaics are not supported)"
    )


def _place(path: Path, table: Any, number: int) -> SkyCoord | None:
    """Return the direction of a field, or None where it has no fixed one, as a planet that calibrates flux."""
    try:
        return SkyCoord(*phase_centre(path, table, number), unit="deg")
    except ContractError:
        return None


def _positions(names: Mapping[int, str], places: Mapping[int, SkyCoord | None]) -> str:
    first = next((place for place in places.values() if place is not None), None)
    texts = []
    for number, place in list(places.items())[:MOST_LISTED]:
        text = f"{number} ({names[number] or 'no name'})"
        if place is None or first is None:
            text += " of no fixed direction"
        else:
            text += f" at {place.to_string('hmsdms', precision=1)}"
            if place is not first:
                text += f", {_angle(float(first.separation(place).arcsec))} off"
        texts.append(text)
    more = len(places) - len(texts)
    return ", ".join(texts) + (f", and {more} more" if more > 0 else "")


def _angle(arcsec: float) -> str:
    if arcsec < 60.0:
        return f"{arcsec:.3g} arcsec"
    return f"{arcsec / 60:.3g} arcmin" if arcsec < 3600.0 else f"{arcsec / 3600:.3g} deg"


def phase_centre(where: object, table: Any, field: int) -> tuple[float, float]:
    """Return right ascension and declination of a field's phase centre, ICRS degrees.

    Raises:
        ContractError: the direction has no fixed place on the sky: its frame turns with the Earth, it follows an
            ephemeris, or it is a polynomial in time.

    """
    polynomial = np.rad2deg(np.atleast_2d(table.getcell("PHASE_DIR", field)))
    columns = table.colnames()
    if "EPHEMERIS_ID" in columns and int(table.getcell("EPHEMERIS_ID", field)) >= 0:
        raise ContractError(where, f"has field {field} follow a moving object (EPHEMERIS_ID); choose another field")
    if np.any(polynomial[1:] != 0):
        raise ContractError(
            where, f"has field {field} with a phase centre that moves (NUM_POLY); choose another field"
        )
    info = table.getcolkeywords("PHASE_DIR").get("MEASINFO", {})
    frame = info.get("Ref", "J2000")
    if (column := info.get("VarRefCol")) and column in columns:
        code = table.getcell(column, field)
        names = dict(zip(np.asarray(info["TabRefCodes"]).tolist(), info["TabRefTypes"], strict=False))
        frame = names.get(code, code)
    if frame in ("J2000", "ICRS", "B1950"):
        ra_deg, dec_deg = polynomial[0]
        return icrs_degrees(float(ra_deg), float(dec_deg), 1950.0 if frame == "B1950" else 2000.0)
    raise ContractError(where, f"has its phase centre in frame {frame}; J2000, ICRS or B1950 is due")
