"""The central absorber: its line against quadrature."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    C_KMS,
    Absorber,
    VelocityGrid,
    absorbed_flux,
    radio_velocity_kms,
)
from scipy.integrate import quad


@pytest.mark.parametrize(("tau", "sigma"), [(0.05, 8.0), (1.0, 2.0), (10.0, 30.0)])
@pytest.mark.parametrize("z", [0.004, 0.8])
def test_the_line_is_the_integral_over_each_channel(tau, sigma, z):
    vsys, v0, continuum = radio_velocity_kms(z), -37.0, 0.3
    channels = VelocityGrid(vsys + 130.0, 20.0, 14)
    found = absorbed_flux(Absorber(continuum, tau, v0, sigma), vsys, channels)
    radio = vsys + 140.0 - 20.0 * np.arange(15)
    edges = (radio - vsys) / (1 - radio / C_KMS)  # in the galaxy's frame

    def depth(v):
        return 1 - np.exp(-tau * np.exp(-((v - v0) ** 2) / (2 * sigma**2)))

    expected = [
        quad(depth, low, high, points=[np.clip(v0, low, high)], epsabs=1e-11)[0] / (high - low)
        for high, low in pairwise(edges)
    ]
    np.testing.assert_allclose(found, -continuum * np.array(expected), atol=1e-8)


def test_a_saturated_line_takes_all_of_the_continuum():
    channels = VelocityGrid(5.0, 1.0, 11)
    found = absorbed_flux(Absorber(2.0, 20.0, 0.0, 200.0), 0.0, channels)
    # exp(-20) is left; the largest terms of the series, 20^20 / 20! = 4e7, are rounded to 1e-6.
    np.testing.assert_allclose(found, -2.0, atol=1e-5)


def test_gradients_are_finite():
    channels = VelocityGrid(100.0, 10.0, 20)
    gas = {"continuum_jy": 0.2, "tau": 0.4, "velocity_kms": 3.0, "sigma_kms": 12.0}
    gradient = jax.grad(lambda p: jnp.sum(absorbed_flux(Absorber(**p), 4.0, channels) ** 2))(gas)
    assert all(np.isfinite(value) and value != 0 for value in gradient.values())
