"""The Kaiser-Bessel kernel of one cell's width and its Fourier transform, the taper."""

from __future__ import annotations

import numpy as np
from scipy.special import i0e
from steelyard_schemas import Kernel

from vis_gridder.constants import ARCSEC

__all__ = ["kaiser_bessel", "kernel_polynomial", "kernel_second_moment", "taper"]

POLYNOMIAL_DEGREE = 11
"""The inner loop has as many steps; see `kernel_polynomial` for how good it is."""


def kaiser_bessel(offset_cells: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Return K(x) / K(0), K(x) = I0(beta sqrt(1 - (2 x / width)^2)), zero beyond half the width.

    Args:
        offset_cells: distance x from the cell's centre, in cells, any shape.
        kernel: width and beta.

    """
    inside = 1.0 - (2.0 * np.asarray(offset_cells, float) / kernel.width_cells) ** 2
    z = kernel.beta * np.sqrt(np.maximum(inside, 0.0))
    return np.where(inside >= 0.0, i0e(z) / i0e(kernel.beta) * np.exp(z - kernel.beta), 0.0)


def kernel_polynomial(kernel: Kernel) -> tuple[float, ...]:
    """Return the coefficients of K in powers of (2 x / width)^2, rising, within half the width.

    K is an entire function of that square; interpolation in Chebyshev's nodes on [0, 1] is good to 3e-15 for beta
    up to 4, and to 6e-7 at 20.
    """

    def profile(square: np.ndarray) -> np.ndarray:
        return kaiser_bessel(0.5 * kernel.width_cells * np.sqrt(square), kernel)

    fit = np.polynomial.Chebyshev.interpolate(profile, POLYNOMIAL_DEGREE, domain=[0.0, 1.0])
    return tuple(float(c) for c in fit.convert(kind=np.polynomial.Polynomial, domain=[-1.0, 1.0]).coef)


def taper(npix: int, cell_arcsec: float, kernel: Kernel) -> np.ndarray:
    """Return the factor [y, x] by which a model image is multiplied before its Fourier transform.

    A cell of gridded data holds the visibility function averaged with K(du) K(dv), a convolution; in the image
    that is a product with K's transform, T(l) T(m) with
    T(l) = (width / K(0)) sinh(z) / z, z^2 = beta^2 - (pi width l / field)^2 (Jackson et al. 1991, IEEE Trans. Med.
    Imag. 10, 473), normalised to 1 at the phase centre, which is the pixel [npix // 2, npix // 2]. For the
    kernel "none" it is 1 everywhere.
    """
    if kernel.name == "none":
        return np.ones((npix, npix))
    field = npix * cell_arcsec * ARCSEC
    l_rad = (np.arange(npix) - npix // 2) * cell_arcsec * ARCSEC
    z_squared = kernel.beta**2 - (np.pi * kernel.width_cells * l_rad / field) ** 2
    z = np.sqrt(np.abs(z_squared))
    # np.sinc(x) = sin(pi x) / (pi x) holds the limit at z = 0 for the oscillating branch.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        growing = np.where(z > 0, np.sinh(z) / z, 1.0)
    profile = np.where(z_squared > 0, growing, np.sinc(z / np.pi))
    profile /= np.sinh(kernel.beta) / kernel.beta if kernel.beta > 0 else 1.0
    return np.outer(profile, profile)


def kernel_second_moment(kernel: Kernel) -> float:
    """Return int x^2 K(x) dx / int K(x) dx [cells^2].

    It is the curvature of the taper sinh(z) / z, z^2 = beta^2 - (pi width l)^2, at l = 0:
    width^2 (beta coth beta - 1) / (4 beta^2), which goes to that of a top-hat, width^2 / 12, as beta goes to 0.
    """
    beta = kernel.beta
    # The next term of the series is beta^2 / 15 of it; the closed form would cancel.
    shape = 1 / 3 if beta < 1e-4 else (beta / np.tanh(beta) - 1) / beta**2
    return float(kernel.width_cells**2 * shape / 4)
