"""FITS image cubes of a spectral line: axes, units and restoring beams, brought to one form."""

from __future__ import annotations

import gzip
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, WCSSUB_SPECTRAL, InvalidTransformError
from steelyard_schemas import ContractError, Observation

from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.dirty import Beam
from vis_gridder.fits_cube import SPECSYS
from vis_gridder.readers.axis import spectral_axis
from vis_gridder.readers.stream import damage_as_contract_error

__all__ = ["ImageCube", "is_image_cube", "open_image_cube"]

BOLTZMANN_JY = 1.380649e3
"""Boltzmann's constant in Jy m^2 / K: 1.380649e-23 J/K over 1e-26 W m^-2 Hz^-1 in a jansky."""
SKEWED = 2e-3
"""Largest rotation and inequality of pixel sides that is let pass; 2e-3 is a tenth of a degree in position angle."""
BRIGHTEST_JY = 1e9
"""No source of radio lines comes near; squares of more would leave the range of single precision."""
FRAMES = {name: frame for frame, name in SPECSYS.items()} | {"HELIOCEN": "BARY"}
"""The Sun and the barycentre move by 13 m/s about each other."""
AIPS_FRAMES = {"LSR": "LSRK", "HEL": "BARY", "BAR": "BARY", "OBS": "TOPO", "TOP": "TOPO"}
VELREF_FRAMES = {1: "LSRK", 2: "BARY", 3: "TOPO"}
VELREF_RADIO = 256
"""Added to VELREF for the radio definition (AIPS memo 27)."""


@dataclass(frozen=True, eq=False)
class ImageCube:
    """A restored image cube.

    Attributes:
        name: of the file.
        image: [channel, y, x] Jy per pixel, convolved with a beam of sum 1; x to the east, y to the north; NaN
            where blank.
        frequency_hz: [channel] ascending.
        width_hz: of a channel.
        beams: of each channel.
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


def is_image_cube(path: str | Path) -> bool:
    """Tell whether a file is FITS with an image in it (UVFITS has none), from its headers."""
    path = Path(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as raw:
            magic = raw.read(6)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                magic = packed.read(6)
        if magic != b"SIMPLE":
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as raw, fits.open(raw, memmap=False) as hdus:
                return _image_hdu(hdus) is not None
    # Whatever is wrong with the file, it is for its reader to say.
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, zlib.error):
        return False


def _image_hdu(hdus: fits.HDUList) -> Any:
    """Return the first image of two or more axes, None where there is none."""
    if hdus[0].header.get("GROUPS", False):
        return None  # UVFITS, without a walk through all of it
    for hdu in hdus:
        sides = [hdu.header.get(f"NAXIS{k + 1}", 0) for k in range(hdu.header.get("NAXIS", 0))]
        if hdu.is_image and len(sides) > 1 and min(sides) > 0:
            return hdu
    return None


def open_image_cube(path: str | Path, rest_frequency_hz: float | None = None) -> ImageCube:
    """Read an image cube, in Jy/beam, Jy/pixel or K, with one beam (BMAJ, BMIN, BPA) or CASA's table of beams.

    Velocity axes become frequencies: VRAD, and VELO as MIRIAD and AIPS write it, by the radio definition; VOPT and
    FELO, and VELO with VELREF from 1 to 255, by the optical one.

    Args:
        path: FITS, gzipped or not.
        rest_frequency_hz: of the line, where the header lacks it.

    Raises:
        ContractError: not an image cube on a regular grid of right ascension, declination and velocity or
            frequency, no beam, no rest frequency, an unknown unit, or a damaged file.

    """
    path = Path(path)
    with damage_as_contract_error(path, "or truncated FITS image"), warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        with path.open("rb") as raw, fits.open(raw, memmap=False) as hdus:
            hdu = _image_hdu(hdus)
            if hdu is None:
                raise ContractError(path, "holds no image")
            header = hdu.header.copy()
            data = np.asarray(hdu.data)
            tables = [other for other in hdus if other.name == "BEAMS"]
            table = tables[0] if tables else None
            return _cube(path, header, data, table, rest_frequency_hz)


def _cube(path: Path, header: fits.Header, data: np.ndarray, table: Any, rest_hz: float | None) -> ImageCube:
    for key in [k for k in header if k.startswith("CUNIT")]:
        # KM/S and HZ are what AIPS wrote; the standard's units have small letters, which wcslib insists on.
        header[key] = {"KM/S": "km/s", "M/S": "m/s", "HZ": "Hz", "GHZ": "GHz", "MHZ": "MHz"}.get(
            str(header[key]).strip(), header[key]
        )
    try:
        wcs = WCS(header)
    except (InvalidTransformError, ValueError) as error:
        # wcslib tells the line of its own source first.
        reason = str(error).strip().splitlines()[-1]
        raise ContractError(path, f"has axes that cannot be understood ({reason}); correct its header") from error
    if data.dtype.kind not in "fiu":
        raise ContractError(path, f"holds {data.dtype}, expected real numbers")
    data = data.astype(np.float64)
    data[~np.isfinite(data)] = np.nan
    lon, lat, spectral = wcs.wcs.lng, wcs.wcs.lat, wcs.wcs.spec
    if min(lon, lat) < 0 or not str(wcs.wcs.ctype[lon]).startswith("RA"):
        raise ContractError(
            path,
            f"has axes {', '.join(wcs.wcs.ctype)}; right ascension and declination are needed for position angles",
        )
    if spectral < 0:
        raise ContractError(
            path,
            f"has axes {', '.join(wcs.wcs.ctype)}, none of them spectral: give the cube, not a map of a moment",
        )
    cell_arcsec, east, north = _pixels(path, wcs)
    # Axes of FITS come in the reverse order in arrays.
    last = data.ndim - 1
    data = np.moveaxis(data, [last - spectral, last - lat, last - lon], [0, 1, 2])
    if max(data.shape[3:], default=1) > 1:
        raise ContractError(path, f"has {data.shape[3:]} planes beside its channels (polarisations?); give Stokes I")
    data = data.reshape(data.shape[:3])
    data = data[:, ::north, ::east]
    rest_of_file = float(header.get("RESTFRQ", header.get("RESTFREQ", 0.0)) or 0.0) or None
    frequency, how = _frequencies(path, header, wcs, data.shape[0], rest_of_file or rest_hz)
    axis = spectral_axis(path, frequency)
    beams, told = _beams(path, header, table, data.shape[0])
    history = [
        f"read a FITS image of {data.shape[2]} x {data.shape[1]} pixels of {cell_arcsec:.6g} arcsec",
        how,
        told,
    ]
    image = data * _jy_per_pixel(path, header, beams, frequency, cell_arcsec)[:, None, None]
    if (brightest := float(np.max(np.abs(image), initial=0.0, where=np.isfinite(image)))) > BRIGHTEST_JY:
        raise ContractError(path, f"has pixels of {brightest:.3g} Jy: damaged, or in another unit than BUNIT says")
    history.append(f"converted {header.get('BUNIT')} to Jy per pixel")
    y, x = data.shape[1] // 2, data.shape[2] // 2
    place = wcs.celestial.pixel_to_world(
        x if east == 1 else data.shape[2] - 1 - x, y if north == 1 else data.shape[1] - 1 - y
    ).icrs
    return ImageCube(
        name=path.name,
        image=np.ascontiguousarray(image[axis.order]),
        frequency_hz=axis.frequency_hz,
        width_hz=float(axis.width_hz.mean()),
        beams=beams[axis.order],
        cell_arcsec=cell_arcsec,
        observation=Observation(
            target=str(header.get("OBJECT", "unknown")).strip() or "unknown",
            telescope=str(header.get("TELESCOP", "unknown")).strip() or "unknown",
            dish_diameter_m=None,
            phase_centre_ra_deg=float(place.ra.deg) % 360.0,
            phase_centre_dec_deg=float(place.dec.deg),
            frequency_frame=_frame(header, spectral),
            rest_frequency_hz=rest_hz or rest_of_file,
        ),
        history=tuple(history),
    )


def _pixels(path: Path, wcs: WCS) -> tuple[float, int, int]:
    """Return the pixel size and the steps that bring x to the east and y to the north."""
    scale = wcs.celestial.pixel_scale_matrix * 3600.0
    size = float(np.sqrt(abs(np.linalg.det(scale))))
    if not size > 0:
        raise ContractError(path, "has pixels of no size; correct CDELT1 and CDELT2")
    off_diagonal = max(abs(scale[0, 1]), abs(scale[1, 0]))
    if off_diagonal > SKEWED * size or abs(abs(scale[0, 0]) - abs(scale[1, 1])) > SKEWED * size:
        raise ContractError(
            path,
            f"has pixels of {abs(scale[0, 0]):.4g} x {abs(scale[1, 1]):.4g} arcsec, rotated by "
            f"{np.degrees(off_diagonal / size):.2g} degrees; regrid it to square pixels with north up",
        )
    return float(f"{size:.9g}"), 1 if scale[0, 0] > 0 else -1, 1 if scale[1, 1] > 0 else -1


def _frequencies(
    path: Path, header: fits.Header, wcs: WCS, n_channels: int, rest_hz: float | None
) -> tuple[np.ndarray, str]:
    """Return the frequencies of the channels in the file's order, and how they were found."""
    axis = wcs.sub([WCSSUB_SPECTRAL])
    (values,) = axis.wcs_pix2world(np.arange(n_channels), 0)
    # wcslib takes every VELO-LSR for optical whose VELREF does not say radio; MIRIAD's are radio and have none.
    given = str(header.get(f"CTYPE{wcs.wcs.spec + 1}", "")).strip()
    kind = given[:4]
    if kind == "FREQ":
        return np.asarray(values), f"frequencies from {given}"
    if kind not in ("VRAD", "VELO", "VOPT", "FELO"):
        raise ContractError(path, f"has a spectral axis {given}; convert it to frequency or radio velocity")
    if rest_hz is None:
        raise ContractError(
            path, f"has velocities ({given}) but no rest frequency (RESTFRQ); give one (--rest-frequency-hz)"
        )
    beta = np.asarray(values) / SPEED_OF_LIGHT_M_S
    optical = kind in ("VOPT", "FELO") or (kind == "VELO" and 0 < int(header.get("VELREF", 0)) < VELREF_RADIO)
    frequency = rest_hz / (1.0 + beta) if optical else rest_hz * (1.0 - beta)
    name = "optical" if optical else "radio"
    return frequency, f"frequencies from {given}, taken for {name} velocities, and {rest_hz / 1e9:.9g} GHz at rest"


def _frame(header: fits.Header, spectral: int) -> Any:
    specsys = str(header.get("SPECSYS", "")).strip().upper()
    suffix = str(header.get(f"CTYPE{spectral + 1}", "")).strip()[5:8]
    by_velref = VELREF_FRAMES.get(int(header.get("VELREF", 0) or 0) % VELREF_RADIO, "UNKNOWN")
    return FRAMES.get(specsys) or AIPS_FRAMES.get(suffix) or by_velref


def _beams(path: Path, header: fits.Header, table: Any, n_channels: int) -> tuple[tuple[Beam, ...], str]:
    """Return the beam of each channel, in the file's order, and where it is from."""
    if table is not None:
        columns = table.columns
        try:
            parts = [
                np.asarray(table.data[name], float) * units.Unit((columns[name].unit or default).lower()).to(wanted)
                for name, default, wanted in (
                    ("BMAJ", "arcsec", "arcsec"),
                    ("BMIN", "arcsec", "arcsec"),
                    ("BPA", "deg", "deg"),
                )
            ]
        except (KeyError, ValueError) as error:
            raise ContractError(path, f"has a BEAMS table that cannot be understood ({error})") from error
        if parts[0].size != n_channels:
            raise ContractError(
                path, f"has {parts[0].size} beams in its BEAMS table, expected {n_channels}, one a channel"
            )
        beams = tuple(Beam(*(float(part[k]) for part in parts)) for k in range(n_channels))
        told = "a beam for each channel, from the BEAMS table"
    elif "BMAJ" in header:
        major = float(header["BMAJ"]) * 3600.0
        minor = float(header.get("BMIN", header["BMAJ"])) * 3600.0
        beams = (Beam(major, minor, float(header.get("BPA", 0.0))),) * n_channels
        told = f"beam {major:.4g} x {minor:.4g} arcsec at {beams[0].pa_deg:.4g} degrees"
    else:
        raise ContractError(
            path,
            "does not tell its beam (BMAJ, BMIN, BPA in degrees, or a BEAMS table); add the restoring beam",
        )
    sizes = np.array([beam[:2] for beam in beams])
    known = np.all(np.isfinite(sizes) & (sizes > 0), axis=1)
    if not known.any():
        raise ContractError(path, f"has a beam of {sizes[0][0]:g} x {sizes[0][1]:g} arcsec; correct BMAJ and BMIN")
    # CASA gives empty channels a beam of zero.
    typical = beams[int(np.flatnonzero(known)[0])]
    return tuple(beam if good else typical for beam, good in zip(beams, known, strict=True)), told


def _jy_per_pixel(
    path: Path, header: fits.Header, beams: tuple[Beam, ...], frequency_hz: np.ndarray, cell_arcsec: float
) -> np.ndarray:
    """Return the factor of each channel from the file's unit to Jy per pixel."""
    unit = str(header.get("BUNIT", "")).strip()
    key = unit.lower().replace(" ", "").replace("beam-1", "/beam").replace("pixel-1", "/pixel").replace(".", "")
    scale = 1.0
    for prefix, factor in (("mjy", 1e-3), ("ujy", 1e-6), ("jy", 1.0)):
        if key.startswith(prefix):
            key, scale = key.removeprefix(prefix), factor
            break
    if key == "/beam":
        area = np.array([np.pi * b.major_arcsec * b.minor_arcsec / (4.0 * np.log(2.0)) for b in beams])
        return scale * cell_arcsec**2 / area
    if key in ("/pixel", "/pix"):
        return np.full(len(beams), scale)
    if key in ("k", "k(tb)", "kelvin"):
        # Radio astronomers' brightness temperature, I = 2 k T nu^2 / c^2, whatever the temperature.
        solid_angle = (cell_arcsec * ARCSEC) ** 2
        return 2.0 * BOLTZMANN_JY * (frequency_hz / SPEED_OF_LIGHT_M_S) ** 2 * solid_angle
    raise ContractError(path, f"is in '{unit}' (BUNIT); expected Jy/beam, Jy/pixel or K")
