"""FITS image cubes of a spectral line: axes, units and restoring beams, brought to one form."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, InvalidTransformError
from steelyard_schemas import ContractError, Observation

from vis_gridder.image_cube.fits.beams import TABLES, RestoringBeams, restoring_beams
from vis_gridder.image_cube.fits.planes import refuse_tied_axes, sky_pixels, stokes_i
from vis_gridder.image_cube.fits.rest_frequency import rest_frequency
from vis_gridder.image_cube.fits.spectral_axis import (
    SpectralKind,
    axis_frequencies,
    find_spectral,
    frequency_frame,
    with_plain_units,
)
from vis_gridder.image_cube.fits.units import jy_per_pixel
from vis_gridder.imaging.dirty import Beam
from vis_gridder.readers.common.axis import spectral_axis
from vis_gridder.readers.common.fits_header import check_header
from vis_gridder.readers.common.fits_image import image_hdu
from vis_gridder.readers.common.stream import damage_as_contract_error
from vis_gridder.stream.history import DataWarning

__all__ = ["ImageCube", "open_image_cube"]

AXIS_KEYS = re.compile(r"(CRVAL|CRPIX|CDELT|CROTA)\d+$|(PC|CD|PV)\d+_\d+$")
"""Cards of the axes whose values are numbers."""
BRIGHTEST_JY = 1e9
"""Upper limit of a pixel, above any radio line; squares of larger values exceed the range of single precision."""


@dataclass(frozen=True, eq=False)
class ImageCube:
    """A restored image cube.

    Attributes:
        name: name of the file.
        image: [channel, y, x] Jy per pixel, convolved with a beam of sum 1; x to the east, y to the north; NaN
            where blank.
        frequency_hz: [channel] ascending.
        width_hz: width of a channel.
        beams: beam of each channel.
        cell_arcsec: pixel size.
        observation: with the phase centre at the pixel [ny // 2, nx // 2].
        history: what was done.

    """

    name: str
    image: np.ndarray
    frequency_hz: np.ndarray
    width_hz: float
    beams: tuple[Beam, ...]
    cell_arcsec: float
    observation: Observation
    history: tuple[str, ...]


def open_image_cube(path: str | Path, rest_frequency_hz: float | None = None) -> ImageCube:
    """Read an image cube in Jy/beam, Jy/pixel, Jy/sr or K, with its restoring beams.

    Beams are those of BMAJ, BMIN and BPA, of CASA's or AIPS's table, or of AIPS's or MIRIAD's history
    (`restoring_beams`). Velocity axes become frequencies by the definition that CTYPE and VELREF name
    (`image_spectral`). What the file leaves open is assumed, and a line of the history says so, or is refused.

    Args:
        path: FITS, gzipped or not.
        rest_frequency_hz: rest frequency of the line, where the header lacks it.

    Raises:
        ContractError: not an image cube on a regular grid of right ascension, declination and velocity or
            frequency, no beam, no rest frequency, an unknown unit, or a damaged file.

    Warns:
        DataWarning: channels with data are left out for want of a beam.

    """
    path = Path(path)
    with damage_as_contract_error(path, "or truncated FITS image"), warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        check_header(path, extensions=True)
        with path.open("rb") as raw, fits.open(raw, memmap=False) as hdus:
            hdu = image_hdu(hdus)
            if hdu is None:
                raise ContractError(path, "holds no image")
            header = hdu.header.copy()
            data = np.asarray(hdu.data)
            tables = [other for name in TABLES for other in hdus if other.name == name]
            table = tables[0] if tables else None
            return _cube(path, header, data, table, rest_frequency_hz)


def _refuse_unreadable(path: Path, header: fits.Header) -> None:
    """Raise ContractError where a number of the axes cannot be read: WCSLIB takes zero or one for it."""
    for card in header.cards:
        try:
            odd = AXIS_KEYS.match(card.keyword) and not np.isfinite(card.value)
        except (fits.VerifyError, TypeError):
            odd = True
        if odd:
            raise ContractError(path, f"has a header whose {card.keyword} is not a number; correct it")


def _cube(path: Path, header: fits.Header, data: np.ndarray, table: Any, rest_hz: float | None) -> ImageCube:
    """Return the cube of an image.

    Args:
        path: the file, for messages.
        header: header of the image.
        data: pixels as the file has them, axes in the reverse order of FITS.
        table: HDU of beams, or None.
        rest_hz: rest frequency given by the user.

    """
    _refuse_unreadable(path, header)
    header = with_plain_units(path, header)
    kind = find_spectral(header)
    rest_of_file, rest_told = (None, ()) if kind is None else rest_frequency(path, header, kind)
    wcs = _wcs(path, header, kind, rest_of_file or rest_hz)
    if data.dtype.kind not in "fiu":
        raise ContractError(path, f"holds {data.dtype}, expected real numbers")
    data = data.astype(np.float64)
    data[~np.isfinite(data)] = np.nan
    axes, kind = _checked_axes(path, header, wcs, kind)
    refuse_tied_axes(path, wcs, data.shape[::-1])
    cell_arcsec, east, north = sky_pixels(path, wcs)
    data, plane, polarisation = stokes_i(path, header, data, axes)
    data = data[:, ::north, ::east]
    n_channels, ny, nx = data.shape
    frequency, how = axis_frequencies(path, header, wcs, kind, n_channels, rest_of_file or rest_hz)
    axis = spectral_axis(path, frequency)
    beams = restoring_beams(path, header, table, n_channels, plane, max(nx, ny) * cell_arcsec)
    factor, unit = jy_per_pixel(path, str(header.get("BUNIT", "")), beams.beams, frequency, cell_arcsec)
    _drop_beamless(path, data, beams)
    image = data * factor[:, None, None]
    _refuse_too_bright(path, image)
    frame, frame_told = frequency_frame(header, kind)
    ra_deg, dec_deg, place_told = _place(header, wcs, *_middle(nx, ny, east, north))
    return ImageCube(
        name=path.name,
        image=np.ascontiguousarray(image[axis.order]),
        frequency_hz=axis.frequency_hz,
        width_hz=float(axis.width_hz.mean()),
        beams=beams.beams[axis.order],
        cell_arcsec=cell_arcsec,
        observation=Observation(
            target=str(header.get("OBJECT", "unknown")).strip() or "unknown",
            telescope=str(header.get("TELESCOP", "unknown")).strip() or "unknown",
            dish_diameter_m=None,
            phase_centre_ra_deg=ra_deg,
            phase_centre_dec_deg=dec_deg,
            frequency_frame=frame,
            rest_frequency_hz=rest_hz or rest_of_file,
        ),
        history=(
            f"read a FITS image of {nx} x {ny} pixels of {cell_arcsec:.6g} arcsec",
            *polarisation,
            *place_told,
            *rest_told,
            *how,
            *frame_told,
            *beams.history,
            f"converted {header.get('BUNIT')} to Jy per pixel",
            *unit,
        ),
    )


def _drop_beamless(path: Path, data: np.ndarray, beams: RestoringBeams) -> None:
    """Blank the channels [channel, y, x] whose beam is missing or unlike the others', with a warning."""
    if lost := int(np.count_nonzero(np.nan_to_num(data[~beams.usable]).any(axis=(1, 2)))):
        warnings.warn(
            f"{path.name}: {lost} channels hold data but no beam, or one unlike the others', and are left out; "
            "correct the table of beams",
            DataWarning,
            stacklevel=5,
        )
    data[~beams.usable] = np.nan


def _refuse_too_bright(path: Path, image: np.ndarray) -> None:
    """Raise ContractError if a pixel [channel, y, x], Jy, is brighter than any source."""
    if (brightest := float(np.max(np.abs(image), initial=0.0, where=np.isfinite(image)))) > BRIGHTEST_JY:
        raise ContractError(path, f"has pixels of {brightest:.3g} Jy: damaged, or in another unit than BUNIT says")


def _checked_axes(
    path: Path, header: fits.Header, wcs: WCS, kind: SpectralKind | None
) -> tuple[tuple[int, int, int], SpectralKind]:
    """Return the numbers of the spectral axis, declination and right ascension, from 0 in FITS's order, and the kind.

    Raises:
        ContractError: one of them is missing, or the spectral axis is of an unknown kind.

    """
    axes = wcs.wcs.spec, wcs.wcs.lat, wcs.wcs.lng
    if min(axes[1:]) < 0 or not str(wcs.wcs.ctype[axes[2]]).startswith("RA"):
        raise ContractError(
            path,
            f"has axes {', '.join(wcs.wcs.ctype)}; right ascension and declination are needed for position angles",
        )
    if axes[0] < 0:
        raise ContractError(
            path,
            f"has axes {', '.join(wcs.wcs.ctype)}, none of them spectral: give the cube, not a map of a moment",
        )
    if kind is None or kind.axis != axes[0] + 1:
        given = str(header.get(f"CTYPE{axes[0] + 1}", "")).strip()
        raise ContractError(path, f"has a spectral axis {given}; convert it to frequency or radio velocity")
    return axes, kind


def _wcs(path: Path, header: fits.Header, kind: SpectralKind | None, rest_hz: float | None) -> WCS:
    """Return the axes, of a header whose spectral axis has the standard's name, so that wcslib need not guess it."""
    header = header.copy()
    if kind is not None:
        header[f"CTYPE{kind.axis}"] = kind.ctype
        header.remove("VELREF", ignore_missing=True)
        if rest_hz is not None:
            header["RESTFRQ"] = rest_hz
    try:
        return WCS(header)
    except (InvalidTransformError, ValueError) as error:
        # wcslib tells the line of its own source first.
        reason = str(error).strip().splitlines()[-1]
        raise ContractError(path, f"has axes that cannot be understood ({reason}); correct its header") from error


def _middle(nx: int, ny: int, east: int, north: int) -> tuple[int, int]:
    """Return the file's pixel that becomes [ny // 2, nx // 2], x before y."""
    x, y = nx // 2, ny // 2
    return (x if east == 1 else nx - 1 - x), (y if north == 1 else ny - 1 - y)


def _place(header: fits.Header, wcs: WCS, x: int, y: int) -> tuple[float, float, tuple[str, ...]]:
    """Return the right ascension and declination of a pixel, degrees, ICRS."""
    place = wcs.celestial.pixel_to_world(x, y).icrs
    told: tuple[str, ...] = ()
    if not any(key in header for key in ("RADESYS", "RADECSYS", "EQUINOX", "EPOCH")):
        told = ("assumed ICRS for the coordinates (no RADESYS, no EQUINOX): RADESYS would replace it",)
    return float(place.ra.deg) % 360.0, float(place.dec.deg), told
