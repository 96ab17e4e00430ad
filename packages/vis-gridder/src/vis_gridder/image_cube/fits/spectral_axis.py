"""The spectral axis of an image: what its header names mean, and the frequencies of its channels.

The FITS standard's names (Greisen et al. 2006, A&A 446, 747) say which velocity is meant: VRAD the radio definition,
VOPT the optical one, VELO the relativistic one, and a code such as F2W along which quantity channels are even. AIPS
(memo 27) writes VELO-LSR and FELO-HEL, with the definition and the frame in VELREF; MIRIAD the same without VELREF.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS, WCSSUB_SPECTRAL
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.image_cube.fits.units import header_integer, header_unit
from vis_gridder.imaging.fits_cube import SPECSYS
from vis_gridder.readers.common.axis import UNEVEN

__all__ = [
    "SpectralKind",
    "axis_frequencies",
    "find_spectral",
    "frequency_frame",
    "with_plain_units",
]

FRAMES = {name: frame for frame, name in SPECSYS.items()} | {
    "LSR": "LSRK", "BARY": "BARY", "TOPO": "TOPO", "GEO": "GEO", "GALACTO": "GALACTO", "REST": "REST",
}  # fmt: skip
"""SPECSYS values of the FITS standard, and CASA's names."""
AIPS_FRAMES = {
    "LSR": "LSRK", "LSRK": "LSRK", "LSD": "LSRD", "LSRD": "LSRD", "BAR": "BARY", "BARY": "BARY", "OBS": "TOPO",
    "TOP": "TOPO", "TOPO": "TOPO", "GEO": "GEO", "GAL": "GALACTO", "SOU": "REST",
}  # fmt: skip
HELIOCENTRIC = frozenset({"HEL", "HELIO", "HELIOCEN"})
VELREF_FRAMES = {1: "LSRK", 2: "HEL", 3: "TOPO", 4: "LSRD", 5: "GEO", 6: "REST", 7: "GALACTO"}
"""VELREF codes: 1 to 3 are AIPS's, 4 to 7 CASA's."""
VELREF_RADIO = 256
"""Offset of VELREF for the radio definition."""
LONG_NAMES = {"FREQUENCY": "FREQ", "VELOCITY": "VELO"}
ALGORITHM = re.compile(r"[FWV]2[FWV]")
NARROWEST_M_S = 50.0
"""Lower limit of the channel width: smaller values are in another unit than m/s."""
WORTH_TELLING = 1e-4
"""Relative spread of the channel widths above which the history reports it."""
DOPPLER = {
    "radio": units.doppler_radio,
    "optical": units.doppler_optical,
    "relativistic": units.doppler_relativistic,
}
REPLACED = "CTYPE of VRAD (radio) or VOPT (optical), or VELREF, would replace it"


class SpectralKind(NamedTuple):
    """Meaning of the CTYPE of a spectral axis."""

    axis: int
    """Number of the axis, from 1."""
    given: str
    ctype: str
    """The standard's name for it, which wcslib understands."""
    definition: str
    """frequency, radio, optical, or relativistic."""
    suffix: str
    """AIPS's three letters for the frame."""
    history: tuple[str, ...]


def with_plain_units(where: object, header: fits.Header) -> fits.Header:
    """Return a header whose CUNITs are spelled as the standard has them.

    Raises:
        ContractError: a unit that is none.

    """
    header = header.copy()
    for key in [k for k in header if re.fullmatch(r"CUNIT\d+", k)]:
        text = str(header[key]).strip()
        if not text:
            del header[key]
            continue
        try:
            header[key] = header_unit(text).to_string("fits")
        except (ValueError, TypeError):
            ctype = str(header.get(f"CTYPE{key[5:]}", "")).strip()
            if _base(ctype)[0] in ("FREQ", "VELO", "VRAD", "VOPT", "FELO", "RA", "DEC"):
                raise ContractError(where, f"has an axis {ctype} in '{text}' ({key}); write a unit") from None
            del header[key]
    return header


def find_spectral(header: fits.Header) -> SpectralKind | None:
    """Find the spectral axis and what its CTYPE and VELREF mean; None where no axis is one of this module's."""
    velref = header_integer(header, "VELREF")
    for axis in range(1, int(header.get("NAXIS", 0)) + 1):
        given = str(header.get(f"CTYPE{axis}", "")).strip()
        if (kind := _kind(axis, given, velref)) is not None:
            return kind
    return None


def _base(ctype: str) -> tuple[str, str]:
    name, _, suffix = ctype.upper().partition("-")
    return LONG_NAMES.get(name, name), suffix.strip("-")


def _kind(axis: int, given: str, velref: int) -> SpectralKind | None:
    base, suffix = _base(given)
    code = f"-{suffix}" if ALGORITHM.fullmatch(suffix) else ""

    def kind(ctype: str, definition: str, *history: str) -> SpectralKind:
        return SpectralKind(axis, given, ctype, definition, "" if code else suffix, history)

    if base == "FREQ":
        return kind(f"FREQ{code}", "frequency")
    if base == "VRAD":
        return kind(f"VRAD{code}", "radio")
    if base in ("VOPT", "ZOPT"):
        return kind(f"{base}{code}", "optical")
    if base == "BETA" or (base == "VELO" and code):
        return kind(f"{base}{code}", "relativistic")
    if base == "FELO":
        # Even in frequency, in optical velocities.
        clash = (
            f"assumed optical velocities for {given}, by its name, though VELREF = {velref} says radio: {REPLACED}"
        )
        return kind("VOPT-F2W", "optical", *([clash] if velref >= VELREF_RADIO else []))
    if base != "VELO":
        return None
    if velref > 0:
        return kind("VRAD", "radio") if velref >= VELREF_RADIO else kind("VOPT", "optical")
    if given.upper() == "VELO":
        return kind(
            "VELO",
            "relativistic",
            f"assumed relativistic velocities for VELO without VELREF, as the FITS standard has it; {REPLACED}",
        )
    return kind(
        "VRAD",
        "radio",
        f"assumed radio velocities for {given} without VELREF, as MIRIAD and GILDAS write it; {REPLACED}",
    )


def axis_frequencies(
    where: object, header: fits.Header, wcs: WCS, kind: SpectralKind, n_channels: int, rest_hz: float | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the frequencies of the channels, in the file's order, and how they were found.

    Args:
        where: the file, for messages.
        header: as the file has it.
        wcs: made from a header with `kind.ctype` and RESTFRQ.
        kind: kind of the axis.
        n_channels: number of channels.
        rest_hz: rest frequency that the velocities are of.

    Raises:
        ContractError: no rest frequency, or velocities that cannot be.

    """
    missing = kind.ctype[:4] not in ("ZOPT", "BETA") and not str(header.get(f"CUNIT{kind.axis}", "")).strip()
    history = kind.history
    if kind.definition == "frequency":
        values = _values(wcs, n_channels)
        history += (f"frequencies from {kind.given}",)
        return values, history + (
            (f"assumed Hz for {kind.given} (no CUNIT{kind.axis}): CUNIT{kind.axis} would replace it",)
            if missing
            else ()
        )
    if rest_hz is None:
        raise ContractError(
            where, f"has velocities ({kind.given}) but no rest frequency (RESTFRQ); give one (--rest-frequency-hz)"
        )
    velocity = _values(wcs, n_channels)
    if kind.ctype[:4] in ("ZOPT", "BETA"):
        velocity = velocity * SPEED_OF_LIGHT_M_S
    if missing:
        step = np.abs(np.diff(velocity))
        if step.size and step.max() < NARROWEST_M_S:
            raise ContractError(
                where,
                f"has velocities ({kind.given}) without a unit, in channels of {step.max() / 1e3:.3g} km/s if they "
                f"are in m/s, the FITS standard's unit: in km/s, it seems; write CUNIT{kind.axis}",
            )
        history += (
            f"assumed m/s for {kind.given} (no CUNIT{kind.axis}), the FITS standard's unit: CUNIT{kind.axis} would "
            "replace it",
        )
    if not np.all(np.abs(velocity) < SPEED_OF_LIGHT_M_S):
        raise ContractError(
            where, f"has velocities ({kind.given}) beyond the speed of light; correct CUNIT{kind.axis}"
        )
    frequency = (velocity * (units.m / units.s)).to_value(units.Hz, DOPPLER[kind.definition](rest_hz * units.Hz))
    history += (
        f"frequencies from {kind.given}, taken for {kind.definition} velocities, and {rest_hz / 1e9:.9g} GHz at rest",
    )
    return frequency, history + _uneven(where, frequency, kind)


def _uneven(where: object, frequency_hz: np.ndarray, kind: SpectralKind) -> tuple[str, ...]:
    """Say by how much channels that are even in velocity differ in frequency; refuse more than a hundredth."""
    step = np.abs(np.diff(frequency_hz))
    spread = float(np.ptp(step) / step.mean()) if step.size else 0.0
    if spread > UNEVEN:
        raise ContractError(
            where,
            f"has channels even in {kind.definition} velocity, which in frequency differ by {100.0 * spread:.2g} %; "
            "keep those about the line, or regrid it to radio velocity",
        )
    if spread < WORTH_TELLING:
        return ()
    return (f"channels differ in width by {100.0 * spread:.2g} % in frequency: all are given the mean width",)


def _values(wcs: WCS, n_channels: int) -> np.ndarray:
    (values,) = wcs.sub([WCSSUB_SPECTRAL]).wcs_pix2world(np.arange(n_channels), 0)
    return np.asarray(values)


def frequency_frame(header: fits.Header, kind: SpectralKind) -> tuple[Any, tuple[str, ...]]:
    """Return the frame of the frequencies, by SPECSYS, the suffix of CTYPE, or VELREF, in this order."""
    specsys = str(header.get("SPECSYS", "")).strip().upper()
    velref = header_integer(header, "VELREF") % VELREF_RADIO
    given = [
        (f"SPECSYS = {specsys}", FRAMES.get(specsys, specsys)),
        (f"CTYPE {kind.given}", AIPS_FRAMES.get(kind.suffix, kind.suffix)),
        (f"VELREF = {velref}", VELREF_FRAMES.get(velref, "")),
    ]
    history: tuple[str, ...] = ()
    found: list[tuple[str, str]] = []
    for name, frame in given:
        if frame in HELIOCENTRIC:
            if not found:
                history += (f"assumed barycentric for heliocentric ({name}): they differ by up to 13 m/s",)
            found.append((name, "BARY"))
        elif frame in SPECSYS:
            found.append((name, frame))
        elif frame:
            history += (f"{name} is no frame that is known here",)
    if not found:
        return "UNKNOWN", (
            *history,
            "assumed that velocities are in one frame at rest, which the file does not name (no SPECSYS, no VELREF): "
            "SPECSYS would replace it",
        )
    name, frame = found[0]
    if others := [f"{other} says {said}" for other, said in found[1:] if said != frame]:
        history += (f"assumed the frame {frame} of {name}, though {' and '.join(others)}: SPECSYS would replace it",)
    return frame, history
