import numpy as np
from nuker_surrogate.expansion.mge import gaussian_masses_pc2, mge_density, mge_surface_density
from scipy import integrate

from .support import SIGMA


def test_the_mass_of_a_gaussian_is_the_integral_of_its_density():
    sigma = np.array([30.0])
    for R in (5.0, 30.0, 200.0):
        shells = integrate.quad(
            lambda r: 4 * np.pi * r**2 * mge_density(np.array([r]), np.ones(1), sigma)[0], 0, R, epsrel=1e-11
        )[0]
        np.testing.assert_allclose(gaussian_masses_pc2([R], sigma)[0, 0], shells, rtol=1e-10)


def test_a_sum_of_gaussians_is_what_it_says():
    R = np.array([1.0, 50.0, 4e3])
    c = np.linspace(1, 2, 64)
    expected = [sum(c * np.exp(-(r**2) / (2 * SIGMA**2))) for r in R]
    np.testing.assert_allclose(mge_surface_density(R, c, SIGMA), expected, rtol=2e-6)  # single precision
