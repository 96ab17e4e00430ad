"""Synthetic image cubes: Gaussian sources, noise with the correlation of the beam."""

import warnings

import numpy as np
from vis_gridder import read_image_cube
from vis_gridder.gridding.grid import GridWarning

CELL, NPIX, N_CHANNELS = 0.5, 64, 30
BEAM = (3.0, 2.2, 35.0)
REST_HZ = 115.2712018e9
WIDTH_MS, FIRST_MS = 10e3, 1500e3
C_MS = 299792458.0
LINE = slice(12, 18)
ARCSEC = np.pi / 648000
PER_SIGMA = np.sqrt(8 * np.log(2))


def covariance(major, minor, pa_deg):
    """Covariance in (east, north) of a Gaussian with these full widths at half maximum."""
    angle = np.radians(pa_deg)
    axes = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
    return axes.T @ np.diag(np.square([major, minor]) / PER_SIGMA**2) @ axes


def gaussian(cov, x0, y0, npix=NPIX):
    """Peak 1, [y, x], x to the east from pixel npix // 2."""
    at = (np.arange(npix) - npix // 2) * CELL
    x, y = np.meshgrid(at - x0, at - y0)
    return np.exp(-0.5 * np.einsum("ixy,ij,jxy->xy", np.stack([x, y]), np.linalg.inv(cov), np.stack([x, y])))


def noise_cube(rng, sigma, n=N_CHANNELS, npix=NPIX, beam=BEAM):
    """White noise convolved with the beam, not periodic, of standard deviation sigma: [channel, y, x]."""
    wide = npix + 40
    at = np.fft.fftfreq(wide, CELL)
    u, v = np.meshgrid(at, at)
    response = np.exp(
        -2 * np.pi**2 * np.einsum("ixy,ij,jxy->xy", np.stack([u, v]), covariance(*beam), np.stack([u, v]))
    )
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, wide, wide))) * response).real
    return noise[:, 20 : 20 + npix, 20 : 20 + npix] * sigma / noise.std()


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridWarning)
        return read_image_cube(path, **options)
