"""The NFW halo against quadrature of its density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import constants, units
from kinematics import (
    BlackHole,
    NfwHalo,
    circular_velocity,
    hubble_kms_mpc,
    nfw_velocity_squared,
    virial_radius_pc,
)
from scipy.integrate import quad

M200, C200 = 1.3e12, 9.0


def critical_density():
    """3 H0^2 / (8 pi G) for H0 = 70 km/s/Mpc, by astropy."""
    h0 = 70 * units.km / units.s / units.Mpc
    return (3 * h0**2 / (8 * np.pi * constants.G)).to_value(units.Msun / units.pc**3)


def truth(m200, c, radius):
    """G M(r) / r with M(r) the integral of rho_s / [y (1 + y)^2], scaled to M200 within r200."""
    r200 = (3 * m200 / (4 * np.pi * 200 * critical_density())) ** (1 / 3)

    def enclosed(y):
        # In units of 4 pi rho_s r_s^3.
        return quad(lambda s: s / (1 + s) ** 2, 0, y, epsabs=0, epsrel=1e-13)[0]

    g = constants.G.to_value(units.pc * (units.km / units.s) ** 2 / units.Msun)
    return g * m200 / radius * enclosed(radius * c / r200) / enclosed(c)


def test_virial_radius():
    mean_density = M200 / (4 / 3 * np.pi * virial_radius_pc(M200) ** 3)
    np.testing.assert_allclose(mean_density, 200 * critical_density(), rtol=1e-12)


# Scale radii of 0.9 to 200 kpc: 1e-7 to 1e3 of them, across the change to the series at 0.25.
@pytest.mark.parametrize(("m200", "c"), [(M200, C200), (1e9, 30.0), (1e15, 2.0), (1e12, 0.2)])
def test_velocity_is_that_of_the_enclosed_mass(m200, c):
    radius = float(virial_radius_pc(m200)) / c * np.r_[np.geomspace(1e-7, 1e3, 21), 0.2499, 0.2501]
    expected = [truth(m200, c, r) for r in radius]
    np.testing.assert_allclose(NfwHalo(m200, c).velocity_squared(radius), expected, rtol=1e-11)


def test_single_precision_keeps_its_digits_near_the_centre():
    radius = np.geomspace(1e-3, 1e7, 201)
    double = nfw_velocity_squared(M200, C200, radius)
    single = nfw_velocity_squared(jnp.float32(M200), jnp.float32(C200), jnp.asarray(radius, jnp.float32))
    assert single.dtype == jnp.float32
    # Where the closed form takes over, at y = 0.25, it still loses a factor of nine of its 6e-8.
    np.testing.assert_allclose(single, double, rtol=3e-6)


def test_the_centre_and_the_outskirts():
    r_s = float(virial_radius_pc(M200)) / C200
    assert nfw_velocity_squared(M200, C200, 0.0) == 0
    # Of a cusp rho ~ 1/r, v^2 grows with r; the next term is (4/3) y.
    inner = nfw_velocity_squared(M200, C200, np.array([1e-6, 2e-6]) * r_s)
    np.testing.assert_allclose(inner[1] / inner[0], 2, rtol=2e-6)


def test_gradient_is_that_of_differences_on_both_sides_of_the_series():
    r_s = float(virial_radius_pc(M200)) / C200

    def total(log10_m200, log10_c200, radius):
        return jnp.sum(nfw_velocity_squared(10.0**log10_m200, 10.0**log10_c200, radius))

    gradient = jax.jit(jax.grad(total, argnums=(0, 1, 2)))
    for y in (0.0, 1e-6, 0.2499, 0.2501, 30.0):
        at, h = (12.1, 0.9, max(y, 1e-9) * r_s), 1e-5
        for k, got in enumerate(gradient(*at)):
            ahead, behind = (total(*(a * (1 + s * h) if j == k else a for j, a in enumerate(at))) for s in (1, -1))
            assert float(got) == pytest.approx(float((ahead - behind) / (2 * h * at[k])), rel=1e-7)


def test_it_joins_the_sum_under_vmap():
    radius = jnp.geomspace(1.0, 1e4, 5)
    masses = jnp.asarray([1e11, 1e12])
    total = jax.vmap(lambda m: circular_velocity(radius, [BlackHole(1e7), NfwHalo(m, C200)]))(masses)
    expected = np.array([[truth(m, C200, r) for r in radius] for m in masses])
    expected += BlackHole(1e7).velocity_squared(radius)
    np.testing.assert_allclose(total**2, expected, rtol=1e-11)
    assert circular_velocity(radius, ()).tolist() == [0] * 5


# Flat, Omega_m = 0.3: E(1)^2 = 0.3 * 8 + 0.7 = 3.1, and r_200 goes as E^(-2/3).
def test_the_critical_density_is_that_at_the_redshift():
    assert float(virial_radius_pc(1e12, 1.0) / virial_radius_pc(1e12)) == pytest.approx(3.1 ** (-1 / 3), rel=1e-12)
    assert float(hubble_kms_mpc(1.0)) == pytest.approx(70 * np.sqrt(3.1), rel=1e-12)
    # Well within the scale radius v^2 goes as M / r_s^2, and so as E^(4/3).
    ratio = nfw_velocity_squared(1e12, 8.0, 1.0, 1.0) / nfw_velocity_squared(1e12, 8.0, 1.0)
    assert float(ratio) == pytest.approx(3.1 ** (2 / 3), rel=1e-3)
