"""Restoring beams of image cubes: from the header, CASA's or AIPS's table, or the history of AIPS and MIRIAD."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from steelyard_schemas import ContractError

from vis_gridder.image_cube.fits.units import header_number, header_unit
from vis_gridder.imaging.dirty import Beam

__all__ = ["TABLES", "RestoringBeams", "restoring_beams"]

TABLES = {"BEAMS": "arcsec", "AIPS CG": "deg"}
"""Extensions with a beam for each channel, and their unit where the columns have none."""
NUMBER = r"([-+.\dEeDd]+)"
IN_HISTORY = (
    ("AIPS", re.compile(rf"BMAJ=\s*{NUMBER}\s+BMIN=\s*{NUMBER}\s+BPA=\s*{NUMBER}"), 3600.0),
    ("MIRIAD", re.compile(rf"Beam\s*=\s*{NUMBER}\s*x\s*{NUMBER}\s*arcsec,\s*pa\s*=\s*{NUMBER}"), 1.0),
)
"""Program, pattern of its history line, and unit of the sizes in arcsec."""
OUTLIER = 2.0
"""Ratio of a beam's solid angle to the median one, either way; beams of one line differ by a few percent."""


class RestoringBeams(NamedTuple):
    """The beam of each channel, in the file's order."""

    beams: tuple[Beam, ...]
    usable: np.ndarray
    """[channel] false where the beam is missing or unlike the others: `beams` has the median one there."""
    history: tuple[str, ...]


def restoring_beams(
    where: object, header: fits.Header, table: Any, n_channels: int, plane: int, field_arcsec: float
) -> RestoringBeams:
    """Find the beam of each channel: in a table, in BMAJ, BMIN and BPA (degrees), or in the history.

    Args:
        where: the file, for messages.
        header: header of the image.
        table: HDU of beams, CASA's "BEAMS" or AIPS's "AIPS CG"; None without one.
        n_channels: number of channels.
        plane: plane of the polarisation, from 0.
        field_arcsec: side of the image, to recognise beams in another unit than degrees.

    Raises:
        ContractError: no beam, a table that does not fit, or sizes that are no beam's.

    """
    found = None if table is None else _from_table(where, table, n_channels, plane)
    if found is None or not _sized(found[0]).any():
        one = _from_header(where, header, field_arcsec) or _from_history(header)
        if one is None:
            if found is not None or "BMAJ" in header:
                size = (
                    found[0][0]
                    if found
                    else (header_number(header, "BMAJ") or 0.0, header_number(header, "BMIN") or 0.0)
                )
                raise ContractError(
                    where, f"has a beam of {size[0]:g} x {size[1]:g} arcsec; correct BMAJ and BMIN (degrees)"
                )
            raise ContractError(
                where,
                "does not give its beam (BMAJ, BMIN, BPA in degrees, a BEAMS table, or AIPS's or MIRIAD's history); "
                "add the restoring beam",
            )
        found = (one[0],) * n_channels, one[1]
    beams, history = found
    return _without_outliers(where, beams, history)


def _sized(beams: tuple[Beam, ...]) -> np.ndarray:
    sizes = np.array([beam[:2] for beam in beams])
    return np.all(np.isfinite(sizes) & (sizes > 0), axis=1)


def _without_outliers(where: object, beams: tuple[Beam, ...], history: tuple[str, ...]) -> RestoringBeams:
    """Mark the channels without a beam, as CASA leaves empty ones, and those whose beam is unlike the others'."""
    sized = _sized(beams)
    area = np.array([beam.major_arcsec * beam.minor_arcsec for beam in beams])
    median = float(np.median(area[sized]))
    usable = sized & (area < OUTLIER * median) & (area > median / OUTLIER)
    if not usable.any():
        raise ContractError(where, "has beams that differ by more than a factor of two among themselves")
    if outliers := int(np.count_nonzero(sized & ~usable)):
        history += (
            f"left out {outliers} channels whose beam has more than {OUTLIER:g} or less than 1 / {OUTLIER:g} times "
            "the median solid angle",
        )
    if missing := int(np.count_nonzero(~sized)):
        history += (f"left out {missing} channels without a beam",)
    typical = beams[int(np.flatnonzero(usable)[np.argsort(area[usable])[np.count_nonzero(usable) // 2]])]
    return RestoringBeams(
        tuple(beam if good else typical for beam, good in zip(beams, usable, strict=True)), usable, history
    )


def _from_table(
    where: object, table: Any, n_channels: int, plane: int
) -> tuple[tuple[Beam, ...], tuple[str, ...]] | None:
    columns = table.columns
    default = TABLES[table.name]
    history: tuple[str, ...] = (f"a beam for each channel, from the {table.name} table",)
    try:
        values = [np.asarray(table.data[name], float).ravel() for name in ("BMAJ", "BMIN", "BPA")]
        texts = [str(columns[name].unit or "").strip() for name in ("BMAJ", "BMIN", "BPA")]
        if any(not text for text in texts):
            history += (
                f"assumed {default} and degrees for the {table.name} table's beams, whose columns have no unit: "
                "TUNIT would replace it",
            )
        wanted = (default, default, "deg")
        scale = [
            header_unit(text or usual).to(target)
            for text, usual, target in zip(texts, wanted, ("arcsec", "arcsec", "deg"), strict=True)
        ]
        chan = np.asarray(table.data["CHAN"], int) if "CHAN" in columns.names else None
        pol = np.asarray(table.data["POL"], int) if "POL" in columns.names else None
    except (KeyError, ValueError, TypeError) as error:
        raise ContractError(where, f"has a {table.name} table that cannot be understood ({error})") from error
    size = values[0].size
    rows = np.arange(size)
    if pol is not None and np.ptp(pol) > 0:
        rows = rows[pol == plane]
    if rows.size != n_channels:
        raise ContractError(
            where, f"has {rows.size} beams in its {table.name} table, expected {n_channels}, one a channel"
        )
    if chan is not None and np.unique(chan[rows]).size == rows.size:
        rows = rows[np.argsort(chan[rows])]
    major, minor, pa = (value[rows] * factor for value, factor in zip(values, scale, strict=True))
    beams = tuple(Beam(float(a), float(b), float(c)) for a, b, c in zip(major, minor, pa, strict=True))
    return beams, history


def _from_header(where: object, header: fits.Header, field_arcsec: float) -> tuple[Beam, tuple[str, ...]] | None:
    major = header_number(header, "BMAJ")
    if not major or not np.isfinite(major) or major <= 0:
        return None
    if major * 3600.0 > field_arcsec > major:
        raise ContractError(
            where,
            f"has BMAJ = {major:g}, which in degrees is wider than the image, by less than four beams of "
            f"{3600.0 * major:.4g} arcsec; if it is in arcsec, divide BMAJ and BMIN by 3600",
        )
    minor, pa = header_number(header, "BMIN"), header_number(header, "BPA")
    history: tuple[str, ...] = ()
    if not minor:
        history += ("assumed a circular beam (no BMIN): BMIN and BPA, in degrees, would replace it",)
        minor = major
    elif pa is None:
        history += ("assumed a beam at position angle 0 (no BPA): BPA, in degrees, would replace it",)
    beam = Beam(major * 3600.0, minor * 3600.0, pa or 0.0)
    return beam, (_told(beam), *history)


def _from_history(header: fits.Header) -> tuple[Beam, tuple[str, ...]] | None:
    """Find the beam in the history that AIPS and MIRIAD write, the last one if there are several."""
    # Lines may be broken over two cards, which are 72 characters wide.
    text = "".join(str(line).ljust(72) for line in header.get("HISTORY", []))
    for writer, pattern, arcsec in IN_HISTORY:
        all_found = pattern.findall(text)
        if not all_found:
            continue
        try:
            beams = [
                Beam(float(a) * arcsec, float(b) * arcsec, float(pa))
                for a, b, pa in (tuple(part.upper().replace("D", "E") for part in parts) for parts in all_found)
            ]
        except ValueError:
            continue
        beam = beams[-1]
        if min(beam.major_arcsec, beam.minor_arcsec) <= 0:
            continue
        history: tuple[str, ...] = (f"{_told(beam)}, from the history of {writer} (no BMAJ)",)
        if len(set(beams)) > 1:
            history += (
                f"assumed the last of {len(set(beams))} beams in the history of {writer}: BMAJ, BMIN and BPA would "
                "replace it",
            )
        return beam, history
    return None


def _told(beam: Beam) -> str:
    return f"beam {beam.major_arcsec:.4g} x {beam.minor_arcsec:.4g} arcsec at {beam.pa_deg:.4g} degrees"
