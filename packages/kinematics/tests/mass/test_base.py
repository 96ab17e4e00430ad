"""Black hole and gas disc against closed forms with SciPy's Bessel functions."""

import jax
import jax.numpy as jnp
import numpy as np
from astropy import constants, units
from kinematics import (
    G_PC_KMS2_MSUN,
    BlackHole,
    ExponentialGas,
    black_hole_velocity_squared,
    circular_velocity,
    exponential_disc_velocity_squared,
    pc_per_arcsec,
)
from scipy.special import i0e, i1e, k0e, k1e

Y = np.geomspace(1e-4, 300, 61)


def freeman(y):
    # The scaled functions keep I K finite; their product cancels to 1e-16 y^2, hence y <= 300.
    return 2 * G_PC_KMS2_MSUN * 1e9 / 200.0 * y**2 * (i0e(y) * k0e(y) - i1e(y) * k1e(y))


def test_constants():
    np.testing.assert_allclose(G_PC_KMS2_MSUN, 4.30091e-3, rtol=1e-5)
    np.testing.assert_allclose(
        pc_per_arcsec(1.0), (1 * units.Mpc * (1 * units.arcsec).to(units.rad).value).to("pc").value
    )


def test_black_hole_is_keplerian():
    mass, radius = 3e8, 12.0
    truth = np.sqrt(constants.G * mass * units.Msun / (radius * units.pc)).to_value(units.km / units.s)
    np.testing.assert_allclose(np.sqrt(black_hole_velocity_squared(mass, radius)), truth, rtol=1e-12)


def test_exponential_disc():
    # The series that takes over at y = 12 is good to 1e-8 there.
    np.testing.assert_allclose(exponential_disc_velocity_squared(1e9, 200.0, 400.0 * Y), freeman(Y), rtol=2e-8)


def test_exponential_disc_in_single_precision():
    radius = jnp.asarray(400.0 * Y, jnp.float32)
    got = exponential_disc_velocity_squared(1e9, 200.0, radius)
    assert got.dtype == jnp.float32
    # Just below y = 12 the products still cancel, eps 2 y^2 = 2e-5.
    np.testing.assert_allclose(got, freeman(Y), rtol=1e-4)


def test_exponential_disc_becomes_a_point_mass():
    # The next term, (9/4) (h/R)^2, is 2e-10 at R = 1e5 h.
    got = exponential_disc_velocity_squared(1e9, 1.0, jnp.asarray(1e5))
    np.testing.assert_allclose(got, G_PC_KMS2_MSUN * 1e9 / 1e5, rtol=1e-8)


def test_gas_joins_the_sum():
    radius = np.geomspace(1.0, 1e4, 5)
    total = circular_velocity(radius, (BlackHole(1e7), ExponentialGas(1e9, 200.0)))
    truth = G_PC_KMS2_MSUN * 1e7 / radius + freeman(radius / 400.0)
    np.testing.assert_allclose(total**2, truth, rtol=2e-8)


def test_gradient_of_the_gas_disc_across_both_branches():
    derivative = jax.jit(jax.vmap(jax.grad(lambda r: exponential_disc_velocity_squared(1e9, 200.0, r))))(400.0 * Y)
    h = 1e-5
    numeric = (freeman(Y * (1 + h)) - freeman(Y * (1 - h))) / (2 * h * 400.0 * Y)
    # Differences of a truth that itself cancels: 1e-16 y^2 / h = 1e-6 at y = 300.
    np.testing.assert_allclose(derivative, numeric, rtol=1e-5, atol=1e-8 * abs(numeric).max())
