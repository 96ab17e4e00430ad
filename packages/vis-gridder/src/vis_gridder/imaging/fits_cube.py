"""Dirty cubes as FITS images that other software places on the sky."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from steelyard_schemas import GriddedVisibilities, Store, atomic_path

from vis_gridder.imaging.dirty import Beam

__all__ = ["fits_header", "write_fits"]

SPECSYS = {
    "TOPO": "TOPOCENT",
    "GEO": "GEOCENTR",
    "BARY": "BARYCENT",
    "LSRK": "LSRK",
    "LSRD": "LSRD",
    "GALACTO": "GALACTOC",
    "REST": "SOURCE",
}
"""Greisen et al. 2006, Table 9."""


def fits_header(gridded: Store[GriddedVisibilities], beam: Beam | None = None) -> fits.Header:
    """Return the header of a cube on the grid's pixels, right ascension growing to the left."""
    manifest, sky = gridded.manifest, gridded.manifest.observation
    npix, cell_deg = manifest.npix, manifest.cell_arcsec / 3600.0
    header = fits.Header()
    # Pixel npix // 2 from 0 along x is, after the flip, pixel npix - npix // 2 from 1.
    header["CTYPE1"], header["CUNIT1"] = "RA---SIN", "deg"
    header["CRVAL1"], header["CDELT1"], header["CRPIX1"] = sky.phase_centre_ra_deg, -cell_deg, npix - npix // 2
    header["CTYPE2"], header["CUNIT2"] = "DEC--SIN", "deg"
    header["CRVAL2"], header["CDELT2"], header["CRPIX2"] = sky.phase_centre_dec_deg, cell_deg, npix // 2 + 1
    frequency = gridded["frequency_hz"]
    step = float(np.diff(frequency).mean()) if frequency.size > 1 else manifest.channel_width_hz
    header["CTYPE3"], header["CUNIT3"] = "FREQ", "Hz"
    header["CRVAL3"], header["CDELT3"], header["CRPIX3"] = float(frequency[0]), step, 1
    if sky.rest_frequency_hz is not None:
        header["RESTFRQ"] = sky.rest_frequency_hz
    if sky.frequency_frame in SPECSYS:
        header["SPECSYS"] = SPECSYS[sky.frequency_frame]
    header["RADESYS"] = "ICRS"
    header["BUNIT"] = "Jy/beam"
    header["OBJECT"] = sky.target
    header["TELESCOP"] = sky.telescope
    if beam is not None:
        header["BMAJ"], header["BMIN"] = beam.major_arcsec / 3600.0, beam.minor_arcsec / 3600.0
        header["BPA"] = beam.pa_deg
    return header


def write_fits(
    path: str | Path,
    cube: np.ndarray,
    gridded: Store[GriddedVisibilities],
    *,
    beam: Beam | None = None,
    overwrite: bool = False,
) -> None:
    """Write a cube [channel, y, x] (x to the east) on the grid's pixels as FITS, x flipped so that CDELT1 < 0.

    Raises:
        ContractError: `path` exists and `overwrite` is false.

    """
    hdu = fits.PrimaryHDU(np.asarray(cube, np.float32)[:, :, ::-1], fits_header(gridded, beam))
    with atomic_path(Path(path), overwrite=overwrite) as temporary:
        hdu.writeto(temporary)
