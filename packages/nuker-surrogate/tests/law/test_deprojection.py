"""The exact deprojection against closed forms and adaptive quadrature."""

from itertools import pairwise

import numpy as np
import pytest
from nuker_surrogate import NukerParams, exact_circular_velocity
from nuker_surrogate.law.deprojection import (
    G_PC_KMS2_MSUN,
    abel_inversion,
    density,
    enclosed_rule,
    projection_factor,
)
from nuker_surrogate.law.nuker import surface_density_gradient
from scipy import integrate, special

m = np.geomspace(0.1, 1e5, 60)
R_B = 100.0
x = m / R_B

# Each closed form is exact, so 1e-8 tests the quadrature alone (it reaches 5e-10 or better).
TOLERANCE = 1e-8


def test_density_of_a_plummer_sphere():
    # Sigma = S (1 + x^2)^-2 projects rho = (3 S / 4 r) (1 + x^2)^(-5/2); the law's S is 4 Sigma_b.
    rho = density(m, NukerParams(2.0, 4.0, 0.0, R_B))
    np.testing.assert_allclose(rho, 3 / R_B * (1 + x**2) ** -2.5, rtol=TOLERANCE)


def test_density_of_a_modified_hubble_profile():
    # Sigma = S / (1 + x^2) projects rho = (S / 2 r) (1 + x^2)^(-3/2); the law's S is 2 Sigma_b.
    rho = density(m, NukerParams(2.0, 2.0, 0.0, R_B))
    np.testing.assert_allclose(rho, 1 / R_B * (1 + x**2) ** -1.5, rtol=TOLERANCE)


@pytest.mark.parametrize("slope", [0.1, 0.5, 1.0, 1.2, 3.0])
def test_density_of_a_power_law(slope):
    rho = density(m, NukerParams(3.0, slope, slope, R_B))
    amplitude = special.gamma((slope + 1) / 2) / (np.sqrt(np.pi) * special.gamma(slope / 2) * R_B)
    np.testing.assert_allclose(rho, amplitude * x ** (-slope - 1), rtol=TOLERANCE)


def test_velocity_of_a_plummer_sphere():
    v = exact_circular_velocity(m, NukerParams(2.0, 4.0, 0.0, R_B), q=1.0, inclination=0.5, sigma_b=3.0)
    mass = np.pi * R_B**2 * 4 * 3.0 * x**3 * (1 + x**2) ** -1.5
    np.testing.assert_allclose(v, np.sqrt(G_PC_KMS2_MSUN * mass / m), rtol=TOLERANCE)


def test_velocity_of_a_singular_isothermal_sphere_is_flat():
    # Sigma ~ 1/R is rho = Sigma_b r_b / (pi m^2), hence v^2 = 4 G Sigma_b r_b at every radius.
    v = exact_circular_velocity(m, NukerParams(3.0, 1.0, 1.0, R_B), q=1.0, inclination=0.5)
    np.testing.assert_allclose(v, np.sqrt(4 * G_PC_KMS2_MSUN * R_B), rtol=TOLERANCE)


def test_velocity_of_a_flattened_isothermal_spheroid():
    # rho = S r_b / (pi m^2) makes the integral elementary: int_0^R dm / sqrt(R^2 - e^2 m^2) = asin(e) / e.
    q, i = 0.4, 1.1
    v = exact_circular_velocity(m, NukerParams(3.0, 1.0, 1.0, R_B), q=q, inclination=i)
    e = np.sqrt(1 - q**2)
    expected = 4 * G_PC_KMS2_MSUN * q * R_B * np.arcsin(e) / e * np.hypot(np.sin(i), np.cos(i) / q)
    np.testing.assert_allclose(v**2, expected, rtol=TOLERANCE)


@pytest.mark.parametrize("R", [20.0, 150.0, 2000.0])
def test_velocity_of_a_flattened_gaussian(R):
    # The rule under v_c against the one-dimensional integral of Cappellari (2002) for one Gaussian, whose
    # homoeoids are integrated in another variable. 1e-8: quad's own tolerance is 1e-12.
    sigma, q = 150.0, 0.4
    rule = enclosed_rule([R], 50.0)
    rho = np.exp(-0.5 * (rule.m_pc / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)

    def integrand(t):
        return np.exp(-0.5 * (R * t / sigma) ** 2) * t**2 / np.sqrt(1 - (1 - q**2) * t**2)

    integral = integrate.quad(integrand, 0, 1, epsrel=1e-12)[0]
    expected = 2 * G_PC_KMS2_MSUN * np.sqrt(2 * np.pi) * q * R**2 / sigma * integral
    np.testing.assert_allclose(rule.circular_velocity_squared(rho, q), expected, rtol=TOLERANCE)


@pytest.mark.parametrize("law", [(10.0, 4.2, 1.2, 30.0), (10.0, 0.301, 0.001, 300.0), (0.1, 3.0, 1.2, 2.0)])
def test_density_at_the_corners_by_adaptive_quadrature(law):
    params = NukerParams(*law)
    for radius in (0.5 * params.r_b_pc, params.r_b_pc, 2 * params.r_b_pc):

        def integrand(s, radius=radius):
            # k = m (1 + s^2) removes the square root; a different substitution from the code's.
            k = radius * (1 + s**2)
            return surface_density_gradient(k, params, xp=np) * 2 / np.sqrt(2 + s**2)

        parts = [0, 0.3, 1, 2, 10, 100, 1e4, 1e6]  # what is left beyond is below 1e-12
        integral = sum(
            integrate.quad(integrand, a, b, epsabs=0, epsrel=1e-10, limit=200)[0] for a, b in pairwise(parts)
        )
        np.testing.assert_allclose(density(radius, params), -integral / np.pi, rtol=TOLERANCE)


def hernquist(r):
    """Density and its derivative, for a = 1 and M = 2 pi (Hernquist 1990, eq. 2)."""
    return 1 / (r * (1 + r) ** 3), -(1 + 4 * r) / (r**2 * (1 + r) ** 4)


def jaffe(r):
    """The same for a = 1 and M = 4 pi (Jaffe 1983, eq. 3)."""
    return 1 / (r * (1 + r)) ** 2, -2 * (1 + 2 * r) / (r * (1 + r)) ** 3


@pytest.mark.parametrize("law", [hernquist, jaffe])
def test_projected_hernquist_and_jaffe_spheres_give_back_their_density(law):
    # The projection's derivative by another quadrature: int rho' cosh^2 + rho cosh / R, on r = R cosh t.
    t, h = np.linspace(0, 40, 4001, retstep=True)
    weight = np.full(t.size, 2 * h)
    weight[0] /= 2
    cosh = np.cosh(t)

    def gradient(R):
        out = np.empty(R.shape)
        for i, row in enumerate(R):
            rho, slope = law(row[:, None] * cosh)
            out[i] = (slope * row[:, None] * cosh**2 + rho * cosh) @ weight
        return out

    r = np.geomspace(0.01, 100, 9)
    np.testing.assert_allclose(abel_inversion(r, gradient, 0.2), law(r)[0], rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("law", "mass"),
    [(hernquist, lambda r: 2 * np.pi * (r / (1 + r)) ** 2), (jaffe, lambda r: 4 * np.pi * r / (1 + r))],
)
def test_velocities_of_hernquist_and_jaffe_spheres(law, mass):
    r = np.geomspace(0.1, 100, 9)
    rule = enclosed_rule(r, 0.5)
    expected = G_PC_KMS2_MSUN * mass(r) / r
    np.testing.assert_allclose(rule.circular_velocity_squared(law(rule.m_pc)[0], 1.0), expected, rtol=TOLERANCE)


@pytest.mark.parametrize("law", [(2.0, 4.2, 0.5), (10.0, 3.5, 1.2), (0.7, 4.2, 0.001)])
def test_the_total_mass_is_that_of_baes(law):
    # Baes (2020, A&A 634, A109): the integral of the profile is a Beta function.
    alpha, beta, gamma = law
    a, b = (2 - gamma) / alpha, (beta - 2) / alpha
    expected = 2 * np.pi * R_B**2 * 2 ** ((beta - gamma) / alpha) / alpha * special.beta(a, b)
    rule = enclosed_rule([1e9 * R_B], R_B)
    mass = rule.enclosed_mass(density(rule.m_pc, NukerParams(*law, R_B)))
    np.testing.assert_allclose(mass, expected, rtol=TOLERANCE)  # beyond that radius lies less than 1e-12


def test_shape_and_order_of_the_radii_are_kept():
    params = NukerParams(2.0, 2.5, 0.5, 80.0)
    R = np.array([[300.0, 20.0], [70.0, 20.0]])
    v = exact_circular_velocity(R, params, q=0.7, inclination=1.0)
    assert v.shape == R.shape
    assert v[0, 1] == v[1, 1]
    alone = exact_circular_velocity(70.0, params, q=0.7, inclination=1.0)
    np.testing.assert_allclose(v[1, 0], alone, rtol=1e-10)


def test_bad_input_is_named():
    params = NukerParams(2.0, 2.5, 0.5, 80.0)
    with pytest.raises(ValueError, match="radii above 0 pc"):
        exact_circular_velocity([0.0, 1.0], params, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"q = 1\.5 is outside"):
        projection_factor(1.5, 0.3)
    with pytest.raises(ValueError, match="ascending"):
        enclosed_rule([3.0, 2.0], 1.0)
