"""MGE potential against quadrature in double precision and the closed form of a sphere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from kinematics import (
    G_PC_KMS2_MSUN,
    MGE,
    BlackHole,
    ProjectedMge,
    axis_ratio_intrinsic,
    axis_ratio_observed,
    circular_velocity,
    mge_circular_velocity_squared,
)
from scipy.integrate import quad
from scipy.special import erf

QUADRATURE = 1.5e-6
RATIO = np.geomspace(1e-2, 1e3, 31)


def oblate_velocity_squared(surface_density, sigma, q, inclination, radius):
    """From rho(m) of one Gaussian: v_c^2 = 4 pi G q int_0^R rho(m) m^2 dm / sqrt(R^2 - (1 - q^2) m^2).

    The flattening integral of Binney & Tremaine (2008, eq. 2.132), where the library integrates over t = m / R.
    The projected mass 2 pi Sigma q_obs sigma^2 = (2 pi)^(3/2) rho_0 q sigma^3 fixes the central density.
    """
    q_obs = np.hypot(q * np.sin(inclination), np.cos(inclination))
    density = 2 * np.pi * surface_density * q_obs * sigma**2 / ((2 * np.pi) ** 1.5 * q * sigma**3)

    # m = R sin(a) / e takes away the square root's steepness; a sphere needs none of it.
    e = np.sqrt(1 - q**2)
    if e == 0:
        integral = quad(lambda m: np.exp(-0.5 * (m / sigma) ** 2) * m**2 / radius, 0, min(radius, 12 * sigma),
                        epsabs=0, epsrel=1e-12, limit=400)[0]  # fmt: skip
    else:
        a_max = min(np.arcsin(e), np.arcsin(min(1.0, 12 * sigma * e / radius)))
        integral = quad(
            lambda a: np.exp(-0.5 * (radius * np.sin(a) / (e * sigma)) ** 2) * (radius * np.sin(a) / e) ** 2 / e,
            0, a_max, epsabs=0, epsrel=1e-12, limit=400,
        )[0]  # fmt: skip
    return 4 * np.pi * G_PC_KMS2_MSUN * q * density * integral


@pytest.mark.parametrize("q", [1.0, 0.7, 0.4, 0.1])
def test_velocity_agrees_with_quadrature(q):
    inclination, sigma = 1.1, 30.0
    radius = RATIO * sigma
    truth = np.array([oblate_velocity_squared(500.0, sigma, q, inclination, r) for r in radius])
    mge = MGE(np.array([500.0]), np.array([sigma]), q)
    # 16 nodes reach 9e-7 at q = 0.1 and 1.2e-7 from 0.4 on: what single precision holds, and a hundredth of what a
    # rotation curve needs.
    np.testing.assert_allclose(mge_circular_velocity_squared(mge, inclination, radius), truth, rtol=QUADRATURE)
    single = mge_circular_velocity_squared(mge, inclination, jnp.asarray(radius, jnp.float32))
    assert single.dtype == jnp.float32
    # Sums of positive float32 terms: a few units in the last place (4e-7 measured).
    np.testing.assert_allclose(single, truth, rtol=3e-6)


def test_sphere_has_its_closed_form():
    sigma, surface_density = 10.0, 200.0
    radius = RATIO * sigma
    mass = 2 * np.pi * surface_density * sigma**2
    x = RATIO / np.sqrt(2)
    enclosed = mass * (erf(x) - 2 / np.sqrt(np.pi) * x * np.exp(-(x**2)))
    got = mge_circular_velocity_squared(MGE(np.array([surface_density]), np.array([sigma]), 1.0), 0.3, radius)
    # The closed form itself cancels to 1e-16 / x^3 at small radii, hence 1e-2 sigma is the innermost.
    np.testing.assert_allclose(got, G_PC_KMS2_MSUN * enclosed / radius, rtol=QUADRATURE)


@pytest.mark.parametrize("q", [1.0, 0.3])
def test_far_away_only_the_projected_mass_counts(q):
    inclination = 0.9
    mge = MGE(np.array([100.0]), np.array([2.0]), q)
    mass = 2 * np.pi * 100.0 * 2.0**2 * np.hypot(q * np.sin(inclination), np.cos(inclination))
    # The quadrupole falls as (sigma / R)^2 = 1e-8.
    got = mge_circular_velocity_squared(mge, inclination, np.array([2e4]))
    np.testing.assert_allclose(got, G_PC_KMS2_MSUN * mass / 2e4, rtol=QUADRATURE)


def test_gaussians_add_and_may_be_negative():
    radius = np.geomspace(1, 1e3, 9)
    sigma, q = np.array([5.0, 40.0, 300.0]), np.array([0.9, 0.5, 0.7])
    density = np.array([900.0, -50.0, 20.0])
    parts = [oblate_velocity_squared(*one, 1.2, r) for one in zip(density, sigma, q, strict=True) for r in radius]
    truth = np.sum(np.reshape(parts, (3, -1)), axis=0)
    np.testing.assert_allclose(
        mge_circular_velocity_squared(MGE(density, sigma, q), 1.2, radius), truth, rtol=QUADRATURE
    )


def test_total_is_the_quadratic_sum_and_nan_where_negative():
    mge = MGE(np.array([300.0]), np.array([50.0]), 0.6)
    radius = np.geomspace(0.1, 1e3, 7)
    stars = mge_circular_velocity_squared(mge, 1.0, radius)
    total = circular_velocity(radius, (ProjectedMge(mge, 1.0), BlackHole(1e6)))
    np.testing.assert_allclose(total**2, stars + G_PC_KMS2_MSUN * 1e6 / radius, rtol=1e-12)
    bad = ProjectedMge(MGE(-np.array([300.0]), np.array([50.0]), 0.6), 1.0)
    assert np.isnan(circular_velocity(radius, (bad,))).all()


@pytest.mark.parametrize("inclination", [0.2, 1.0, np.pi / 2])
def test_axis_ratios_round_trip(inclination):
    q = np.array([0.05, 0.3, 0.8, 1.0])
    # Near face-on q comes from the difference of two numbers near one: eps / (q sin^2 i) at worst.
    np.testing.assert_allclose(axis_ratio_intrinsic(axis_ratio_observed(q, inclination), inclination), q, rtol=1e-12)


def test_flatter_than_cos_i_is_nan():
    assert np.isnan(axis_ratio_intrinsic(0.4, np.radians(60.0)))
    assert np.isfinite(axis_ratio_intrinsic(0.6, np.radians(60.0)))


@pytest.mark.parametrize("ratio", [1e-2, 0.7, 3.0, 6.4, 6.6, 40.0])
def test_gradients_are_those_of_finite_differences(ratio):
    """Below and above EXTENT, whose own derivative, 6e-10 of the integrand, is left out."""

    def velocity_squared(radius, sigma, q):
        return mge_circular_velocity_squared(MGE(jnp.asarray([100.0, 30.0]), sigma, q), 1.0, radius)

    at = jnp.asarray(5.0 * ratio), jnp.asarray([5.0, 11.0]), jnp.asarray([0.3, 0.8])
    check_grads(velocity_squared, at, order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_gradients_are_finite_for_extreme_ratios():
    def total(density, sigma, q):
        return jnp.sum(mge_circular_velocity_squared(MGE(density, sigma, q), 1.0, jnp.asarray([1e-3, 1.0, 1e5])))

    gradients = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(
        jnp.ones(3), jnp.asarray([1.0, 100.0, 1e4]), jnp.asarray(0.2)
    )
    assert all(jnp.isfinite(g).all() for g in gradients)
