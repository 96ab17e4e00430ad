"""Sersic's profile against its special cases and the integral over the plane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import PROFILES, ExponentialDisc
from kinematics.gas.sersic import SersicDisc
from scipy.integrate import quad

RADIUS = np.array([0.0, 0.05, 0.7, 2.0, 5.0])


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("n", [0.3, 0.5, 1.0, 2.2, 3.0])
def test_the_flux_is_one(n):
    disc = SersicDisc(0.8, n)

    # In ln R, so that the cusp and the long tail of large indices are sampled alike.
    def integrand(t):
        return 2 * np.pi * np.exp(2 * t) * float(disc.surface_brightness(jnp.asarray(np.exp(t))))

    assert quad(integrand, -20, 12, limit=200)[0] == pytest.approx(1, rel=1e-7)


def test_index_one_is_the_exponential_disc():
    expected = ExponentialDisc(0.8).surface_brightness(RADIUS)
    np.testing.assert_allclose(SersicDisc(0.8, 1.0).surface_brightness(RADIUS), expected, rtol=1e-11)


def test_index_one_half_is_a_gaussian():
    sigma = 0.8 / np.sqrt(2)
    expected = np.exp(-0.5 * (RADIUS / sigma) ** 2) / (2 * np.pi * sigma**2)
    np.testing.assert_allclose(SersicDisc(0.8, 0.5).surface_brightness(RADIUS), expected, rtol=1e-11)


def test_gradients_are_finite_at_the_centre_too():
    disc = PROFILES["sersic"]
    for n in (0.4, 1.0, 2.5):
        params = {"sersic_scale_arcsec": 0.8, "sersic_index": n}
        slopes = jax.grad(lambda p: jnp.sum(disc(p, None).surface_brightness(jnp.asarray(RADIUS))))(params)
        assert all(np.isfinite(slope) and slope != 0 for slope in slopes.values())
