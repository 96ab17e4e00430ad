"""Units and numbers as the headers of images spell them, and the factors from a brightness to Jy per pixel."""

from __future__ import annotations

import re
import warnings

import numpy as np
from astropy import units
from astropy.io import fits
from steelyard_schemas import ContractError

from vis_gridder.constants import ARCSEC
from vis_gridder.imaging.dirty import Beam

__all__ = ["header_integer", "header_number", "header_unit", "jy_per_pixel"]

WORDS = {
    word: proper
    for proper, spellings in {
        "Jy": ("jy", "jansky"), "mJy": ("mjy",), "uJy": ("ujy",),
        "beam": ("beam", "beams", "bm"), "pix": ("pix", "pixel", "pixels"),
        "K": ("k", "kelvin"), "mK": ("mk",), "sr": ("sr",),
        "km": ("km",), "m": ("m",), "s": ("s", "sec"), "km s": ("kms",),
        "Hz": ("hz", "hertz"), "kHz": ("khz",), "MHz": ("mhz",), "GHz": ("ghz",),
        "deg": ("deg", "degs", "degree", "degrees"), "rad": ("rad", "radian", "radians"),
        "arcmin": ("arcmin", "arcmins", "arcminute", "arcminutes"),
        "arcsec": ("arcsec", "arcsecs", "arcsecond", "arcseconds", "asec"),
    }.items()
    for word in spellings
}  # fmt: skip
"""AIPS writes capitals throughout (JY/BEAM, KM/S, DEGREES), others abbreviate."""
CASE_MATTERS = frozenset({"MJy", "MK"})
"""Mega, where the capitals are not those of the whole word."""


def header_unit(text: str) -> units.UnitBase:
    """Return the unit that a keyword spells: the FITS standard's forms, and what AIPS, MIRIAD and GILDAS write.

    Raises:
        ValueError: no such unit.

    """
    plain = re.sub(r"\(tb\)", "", text.strip(), flags=re.IGNORECASE)
    # A capital M is milli for AIPS, which has no small letters, but no one measures milli-janskys per steradian.
    if re.search(r"\bsr\b", plain, re.IGNORECASE):
        plain = plain.replace("MJY", "MJy")
    spelled = re.sub(
        r"[A-Za-z]+", lambda word: word[0] if word[0] in CASE_MATTERS else WORDS.get(word[0].lower(), word[0]), plain
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)
        return units.Unit(spelled, parse_strict="raise")


def header_number(header: fits.Header, key: str) -> float | None:
    """Return a keyword's number; None if it is absent or no finite number."""
    try:
        value = float(header[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def header_integer(header: fits.Header, key: str) -> int:
    """Return a keyword's number without its fraction; 0 if it is absent."""
    return int(header_number(header, key) or 0)


def jy_per_pixel(
    where: object, text: str, beams: tuple[Beam, ...], frequency_hz: np.ndarray, cell_arcsec: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the factor of each channel from the unit of an image to Jy per pixel, and what it took for granted.

    Args:
        where: the file, for messages.
        text: BUNIT.
        beams: [channel] restoring beams.
        frequency_hz: [channel] for brightness temperatures.
        cell_arcsec: pixel size.

    Raises:
        ContractError: not a brightness, or one integrated over the line.

    """
    text = text.strip()
    refused = ContractError(where, f"is in '{text}' (BUNIT); expected Jy/beam, Jy/pixel, Jy/sr or K")
    if not text:
        raise refused
    try:
        unit = header_unit(text)
    except (ValueError, TypeError) as error:
        raise refused from error
    if _of_a_moment(unit):
        raise ContractError(
            where, f"is in '{text}' (BUNIT): a moment map, integrated over the line; give the cube, in Jy/beam or K"
        )
    pixel_sr = (cell_arcsec * ARCSEC) ** 2
    milli = (f"assumed that the M of {text} is milli: BUNIT mJy would say so",) if re.search(r"\bMJY\b", text) else ()
    if unit.is_equivalent(units.Jy / units.beam):
        beam_sr = np.array([np.pi * b.major_arcsec * b.minor_arcsec / (4.0 * np.log(2.0)) for b in beams]) * ARCSEC**2
        return unit.to(units.Jy / units.beam) * pixel_sr / beam_sr, milli
    if unit.is_equivalent(units.Jy / units.pix):
        return np.full(len(beams), unit.to(units.Jy / units.pix)), milli
    if unit.is_equivalent(units.Jy / units.sr):
        return np.full(len(beams), unit.to(units.Jy / units.sr) * pixel_sr), ()
    if unit.is_equivalent(units.K):
        to_jy_sr = units.brightness_temperature(frequency_hz * units.Hz)
        factor = (np.ones(len(beams)) * unit).to_value(units.Jy / units.sr, to_jy_sr) * pixel_sr
        return factor, (
            f"assumed that {text} is the Rayleigh-Jeans brightness temperature in the beam, 2 k T / lambda^2: "
            "BUNIT in Jy/beam would replace it",
        )
    raise refused


def _of_a_moment(unit: units.UnitBase) -> bool:
    """Return whether a unit is a velocity, or a brightness times velocity or frequency."""
    brightness = {units.Jy, units.mJy, units.uJy, units.K, units.mK, units.beam}.intersection(unit.bases)
    return unit.is_equivalent(units.m / units.s) or bool(brightness and {units.s, units.Hz}.intersection(unit.bases))
