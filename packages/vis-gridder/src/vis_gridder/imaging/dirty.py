"""Dirty images of gridded visibilities: a quick look, and the beam that goes with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from steelyard_schemas import ContractError, GriddedVisibilities, Store

from vis_gridder.gridding.kernel import taper

__all__ = ["Beam", "dirty_beam", "dirty_cube", "fit_beam"]

FWHM_PER_SIGMA = float(np.sqrt(8.0 * np.log(2.0)))


def dirty_cube(gridded: Store[GriddedVisibilities], *, correct_taper: bool = True) -> np.ndarray:
    """Return the naturally weighted dirty image of each channel, Jy/beam, float32 [channel, y, x].

    I(l, m) = Re sum W V exp(-2 pi i (u l + v m)) / sum W over the half plane, W the inverse variance. x grows to the
    east, y to the north, the phase centre is the pixel [npix // 2, npix // 2]. Channels without data are NaN.

    Args:
        gridded: cell means and their variance.
        correct_taper: divide by the gridding kernel's taper, so that flux densities are right off centre. (A
            model is multiplied by it instead, when its visibilities are to be compared.)

    """
    weight = _weights(gridded)
    image = _image(gridded, weight * gridded["mean"])
    if correct_taper:
        manifest = gridded.manifest
        image /= taper(manifest.npix, manifest.cell_arcsec, manifest.kernel)
    return image.astype(np.float32)


def dirty_beam(gridded: Store[GriddedVisibilities]) -> np.ndarray:
    """Return the dirty beam of each channel, 1 at the phase centre, float32 [channel, y, x]; see `dirty_cube`."""
    return _image(gridded, _weights(gridded).astype(complex)).astype(np.float32)


def _weights(gridded: Store[GriddedVisibilities]) -> np.ndarray:
    variance = gridded["variance"].astype(np.float64)
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=gridded["mask"])


def _image(gridded: Store[GriddedVisibilities], weighted: np.ndarray) -> np.ndarray:
    npix = gridded.manifest.npix
    total = _weights(gridded).sum(axis=(1, 2))
    # The inverse transform has exp(+2 pi i ...), hence the conjugate. It counts each u > 0 with its mirror image
    # (so twice the real part wanted) and u = 0 once.
    plane = weighted.conj()
    plane[:, :, 0] *= 2.0
    image = np.fft.fftshift(np.fft.irfft2(plane, s=(npix, npix)), axes=(1, 2)) * (npix**2 / 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return image / total[:, None, None]


class Beam(NamedTuple):
    """An elliptical Gaussian: full widths at half maximum and position angle, north through east."""

    major_arcsec: float
    minor_arcsec: float
    pa_deg: float


def fit_beam(beam: np.ndarray, cell_arcsec: float) -> Beam:
    """Fit an elliptical Gaussian of peak 1 to the main lobe of a dirty beam [y, x], above half its maximum.

    -ln B is fitted as a quadratic form in (x, y) by least squares.

    Raises:
        ContractError: fewer than five pixels are in the lobe, or it is no peak.

    """
    centre = beam.shape[0] // 2
    lobes, _ = ndimage.label(beam > 0.5)
    y, x = np.nonzero(lobes == lobes[centre, centre])
    if lobes[centre, centre] == 0 or y.size < 5:
        raise ContractError("dirty beam", f"has {y.size} pixels above half its peak; make the pixels finer")
    x_arcsec, y_arcsec = (x - centre) * cell_arcsec, (y - centre) * cell_arcsec
    design = np.stack([x_arcsec**2, 2.0 * x_arcsec * y_arcsec, y_arcsec**2], axis=1)
    xx, xy, yy = np.linalg.lstsq(design, -np.log(beam[y, x].astype(float)), rcond=None)[0]
    curvature, axes = np.linalg.eigh(2.0 * np.array([[xx, xy], [xy, yy]]))
    if curvature[0] <= 0:
        raise ContractError("dirty beam", "has no Gaussian main lobe")
    major, minor = FWHM_PER_SIGMA / np.sqrt(curvature)
    east, north = axes[:, 0]
    return Beam(float(major), float(minor), float(np.degrees(np.arctan2(east, north)) % 180.0))
