"""The antenna tables of a UVFITS file: one for each subarray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.readers.common.array_position import array_position
from vis_gridder.readers.uvfits.index import Index, Key, Part
from vis_gridder.readers.uvfits.tables import table_hdus

__all__ = ["Antennas", "antennas_of", "time_shifts"]

DAYS_APART = 5.0
"""AIPS puts so many days between the times of one subarray and of the next (its DBCON)."""
MJD_0 = date(1858, 11, 17)
OBSERVATION_DAYS = 2.0
"""An observation's times are within so many days of its reference date."""


@dataclass(frozen=True, eq=False)
class Antennas:
    """The antennas that observed in some subarrays.

    Attributes:
        offsets: what is added to antenna numbers of a subarray, so that no two antennas share one.
        names: number and name of each antenna, for people.
        diameters_m: diameter of each, 0 where not known; None where no table has them.
        position_m: where they are, geocentric; None where the tables do not say.
        notes: lines of history about what was assumed.

    """

    offsets: dict[int, int]
    names: list[str]
    diameters_m: np.ndarray | None
    position_m: tuple[float, float, float] | None
    notes: list[str]


def antennas_of(where: object, hdus: Any, index: Index, parts: Mapping[Key, Part]) -> Antennas:
    """Return the antennas of the subarrays of some parts of the data.

    Raises:
        ContractError: antenna numbers below 0, or a subarray for which several tables might stand.

    """
    if index.lowest_antenna < 0:
        raise ContractError(where, f"has antennas numbered {index.lowest_antenna}; export the UVFITS file again")
    tables, notes = _tables(where, hdus, sorted({key.subarray for key in parts}))
    offsets = _offsets(min(index.lowest_antenna, 1), parts, tables)
    observed: dict[int, np.ndarray] = {}
    for key, part in parts.items():
        observed[key.subarray] = np.union1d(observed.get(key.subarray, np.empty(0, int)), part.antennas)
    several = len({offsets[subarray] for subarray in observed}) > 1
    names: dict[int, str] = {}
    diameters: dict[int, float] = {}
    positions = []
    for subarray, numbers in observed.items():
        hdu = tables.get(subarray)
        listed = dict(zip(hdu.data["NOSTA"].tolist(), range(len(hdu.data)), strict=True)) if hdu is not None else {}
        rows = [listed[n] for n in numbers.tolist() if n in listed]
        if hdu is not None and len(rows) < numbers.size:
            missing = ", ".join(str(n) for n in numbers.tolist() if n not in listed)
            notes.append(
                f"assumed that antenna {missing}, which the AN table lacks, is like the others; list it there"
            )
        for number in numbers.tolist():
            unique = number + offsets[subarray]
            names[unique] = f"{number} of subarray {subarray}" if several else str(number)
            diameters[unique] = _diameter(hdu, listed.get(number))
        if hdu is not None and (position := _position(hdu, rows)) is not None:
            positions.append(position)
    known = any("DIAMETER" in hdu.data.names for hdu in tables.values())
    return Antennas(
        offsets=offsets,
        names=list(names.values()),
        diameters_m=np.array(list(diameters.values())) if known else None,
        position_m=array_position(np.array(positions)) if positions else None,
        notes=notes,
    )


def _tables(where: object, hdus: Any, subarrays: list[int]) -> tuple[dict[int, Any], list[str]]:
    """Return the table of each subarray: the one whose version it is."""
    tables = table_hdus(hdus, "AIPS AN")
    if not tables:
        return {}, []
    versions = [int(table.ver) for table in tables]
    if len(set(versions)) < len(versions):
        versions = list(range(1, len(tables) + 1))
    by_version = dict(zip(versions, tables, strict=True))
    missing = [subarray for subarray in subarrays if subarray not in by_version]
    if not missing:
        return by_version, []
    listing = ", ".join(map(str, missing))
    if any(_content(table) != _content(tables[0]) for table in tables[1:]):
        raise ContractError(
            where, f"has rows of subarray {listing}, but no AIPS AN table of that version; export it again"
        )
    note = f"assumed that subarray {listing} has the antennas of AIPS AN table {versions[0]}: it has none of its own"
    return by_version | dict.fromkeys(missing, tables[0]), [note]


def _content(hdu: Any) -> tuple[object, ...]:
    """Return what makes antennas the same ones: numbers, names and diameters."""
    table = hdu.data
    return tuple(tuple(np.asarray(table[c]).tolist()) for c in ("NOSTA", "ANNAME", "DIAMETER") if c in table.names)


def _offsets(lowest: int, parts: Mapping[Key, Part], tables: Mapping[int, Any]) -> dict[int, int]:
    """Return what makes antenna numbers begin at 0, with no two antennas of one number.

    Subarrays of equal tables have the same antennas, so they share numbers.
    """
    offsets: dict[int, int] = {}
    of_content: dict[object, int] = {}
    following = -lowest
    for subarray in sorted({key.subarray for key in parts}):
        content = _content(tables[subarray]) if subarray in tables else subarray
        offsets[subarray] = of_content.setdefault(content, following)
        numbers = [part.antennas for key, part in parts.items() if key.subarray == subarray]
        following = max(following, offsets[subarray] + int(np.max(np.concatenate(numbers), initial=0)) + 1 - lowest)
    return offsets


def _diameter(hdu: Any, row: int | None) -> float:
    if hdu is None or row is None or "DIAMETER" not in hdu.data.names:
        return 0.0
    return float(hdu.data["DIAMETER"][row])


def _position(hdu: Any, rows: list[int]) -> tuple[float, float, float] | None:
    """Return where a subarray is, geocentric, m, or None where its table does not say.

    That is the table's ARRAYX, ARRAYY, ARRAYZ, to which STABXYZ is relative (AIPS Memo 117, section 4.1); where
    they are zero, STABXYZ is geocentric itself. Left-handed tables have y towards the west.
    """
    array = np.array([float(hdu.header.get(f"ARRAY{axis}", 0.0)) for axis in "XYZ"])
    if array.any():
        return array_position(array)
    if "STABXYZ" not in hdu.data.names or not rows:
        return None
    left = str(hdu.header.get("XYZHAND", "")).strip().upper() == "LEFT"
    return array_position(np.asarray(hdu.data["STABXYZ"], float)[rows] * (1.0, -1.0 if left else 1.0, 1.0))


def time_shifts(hdus: Any, index: Index) -> tuple[dict[int, float], list[str]]:
    """Return what is to be added to the times of each subarray, s, and lines of history.

    AIPS adds 5 days for each subarray after the first when it puts data sets together. The reference date of the
    subarray's antenna table tells whether the times have them.
    """
    if "casa" in str(hdus[0].header.get("ORIGIN", "")).lower():
        return {}, []
    dates = {int(table.ver): str(table.header.get("RDATE", "")) for table in table_hdus(hdus, "AIPS AN")}
    shifts: dict[int, float] = {}
    for subarray in {key.subarray for key in index.parts} - {1}:
        moments = [p.moments_s for k, p in index.parts.items() if k.subarray == subarray and p.moments_s.size]
        reference_mjd = _mjd(dates.get(subarray, ""))
        if not moments or reference_mjd is None or subarray < 1:
            continue
        after_days = min(m[0] for m in moments) / 86400.0 - reference_mjd
        extra_days = DAYS_APART * (subarray - 1)
        if after_days >= OBSERVATION_DAYS and -0.5 <= after_days - extra_days < OBSERVATION_DAYS:
            shifts[subarray] = -extra_days * 86400.0
    return shifts, [
        f"assumed that the times of subarray {subarray} are {-shift / 86400.0:g} days late, as AIPS writes them, and "
        "put them right, which is just after the reference date of its antenna table; correct RDATE there if not"
        for subarray, shift in sorted(shifts.items())
    ]


def _mjd(written: str) -> float | None:
    """Return the modified Julian date of a FITS date, in its old form DD/MM/YY too; None where it is none."""
    written = written.strip()
    if "/" in written:
        day, month, year = written.split("/")
        written = f"19{year}-{month}-{day}"
    try:
        return float(date.fromisoformat(written[:10]).toordinal() - MJD_0.toordinal())
    except ValueError:
        return None
