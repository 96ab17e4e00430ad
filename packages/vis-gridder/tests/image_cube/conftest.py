import numpy as np
import pytest
from astropy.io import fits

from .support import BEAM, CELL, FIRST_MS, LINE, REST_HZ, WIDTH_MS, covariance, gaussian, noise_cube


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a cube [channel, y, x], x to the east, as FITS; header cards by keyword."""

    def function(cube, *, name="cube.fits", east_first=False, stokes=1, table=None, remove=(), **cards):
        cube = np.asarray(cube)
        ny, nx = cube.shape[1:]
        header = fits.Header()
        pixel = nx // 2 + 1 if east_first else nx - nx // 2
        header.update(
            CTYPE1="RA---SIN", CRVAL1=150.0, CDELT1=(CELL if east_first else -CELL) / 3600, CRPIX1=pixel,
            CTYPE2="DEC--SIN", CRVAL2=-20.0, CDELT2=CELL / 3600, CRPIX2=ny // 2 + 1,
            CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=FIRST_MS, CDELT3=WIDTH_MS, CRPIX3=1.0,
            CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0,
            RESTFRQ=REST_HZ, SPECSYS="LSRK", BUNIT="Jy/beam", OBJECT="toy", TELESCOP="ALMA",
            BMAJ=BEAM[0] / 3600, BMIN=BEAM[1] / 3600, BPA=BEAM[2],
        )  # fmt: skip
        header.update(cards)
        for key in remove:
            del header[key]
        data = np.repeat(cube[None, :, :, :: 1 if east_first else -1], stokes, axis=0)
        hdus = [fits.PrimaryHDU(data.astype(np.float32), header)]
        if table is not None:
            hdus.append(table)
        path = tmp_path / name
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return function


@pytest.fixture(scope="module")
def noisy():
    """A Gaussian source in the line channels with noise."""
    rng = np.random.default_rng(1)
    cube = noise_cube(rng, 1e-3)
    cube[LINE] += 0.05 * gaussian(covariance(4.0, 3.0, 100.0), 3.0, -2.0)
    return cube
