"""Surface brightness: unit flux over wide ranges of the parameters, and finite gradients."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import ExponentialDisc, HoledDisc, RingDisc
from scipy.integrate import quad_vec

DISCS = [
    *[ExponentialDisc(h) for h in (1e-2, 1.0, 50.0)],
    *[
        HoledDisc(h, 2 * k * h)
        for h, k in zip((0.1, 3.0) * 4, (1e-3, 0.1, 1.0, 1.99, 2.01, 4.0, 20.0, 300.0), strict=True)
    ],
    *[RingDisc(r0, w) for r0, w in ((0.0, 5.0), (1.0, 0.02), (1.0, 0.5), (1.0, 5.0), (10.0, 0.02))],
]


def integrate(annulus, low, high, scales):
    """SciPy's adaptive vector quadrature between the scales of the integrand."""
    edges = sorted({low, high, *(s for s in scales if low < s < high)})
    return sum(quad_vec(annulus, a, b, epsabs=1e-11, epsrel=1e-11)[0] for a, b in pairwise(edges))


@pytest.mark.parametrize("disc", DISCS, ids=str)
def test_unit_flux(disc):
    profile = jax.jit(disc.surface_brightness)

    def annulus(radius):
        return 2 * np.pi * radius * float(profile(radius))

    if isinstance(disc, RingDisc):
        r0, w = disc
        total = integrate(annulus, max(0.0, r0 - 12 * w), r0 + 12 * w, (r0 - 2 * w, r0, r0 + 2 * w))
    else:
        h = disc.scale_arcsec
        hole = getattr(disc, "hole_radius_arcsec", h)
        # Beyond 80 scale lengths lies 1e-33 of the flux.
        total = integrate(annulus, 0.0, 80 * h, (hole / 3, 3 * hole, h, 10 * h))
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("k", [1e-3, 0.5, 1.999, 2.001, 30.0, 1e3])
def test_holed_disc_in_single_precision(k):
    radius = np.array([0.1, 1.0, 5.0])
    double = HoledDisc(1.0, 2 * k).surface_brightness(jnp.asarray(radius))
    single = HoledDisc(jnp.float32(1), jnp.float32(2 * k)).surface_brightness(jnp.asarray(radius, jnp.float32))
    # The closed form loses 1 / F(2) = 4 times exp(4) erfc(2)'s rounding.
    np.testing.assert_allclose(single, double, rtol=1e-5)


@pytest.mark.parametrize("disc", DISCS, ids=str)
def test_gradients_are_finite(disc):
    radius = jnp.asarray([1e-5, 0.1, 1.0, 30.0])
    gradient = jax.jit(jax.grad(lambda d: jnp.sum(d.surface_brightness(radius))))(jax.tree.map(float, disc))
    assert all(np.isfinite(g) for g in gradient)


def test_profiles_have_their_shapes():
    radius = jnp.asarray([0.5, 2.0])
    exponential, holed, ring = (
        disc.surface_brightness(radius) for disc in (ExponentialDisc(0.7), HoledDisc(0.7, 1.5), RingDisc(1.0, 0.4))
    )
    np.testing.assert_allclose(exponential[0] / exponential[1], np.exp(1.5 / 0.7))
    hole = 1 - np.exp(-(np.array([0.5, 2.0]) ** 2) / 1.5**2)
    np.testing.assert_allclose(holed[0] / holed[1], np.exp(1.5 / 0.7) * hole[0] / hole[1])
    np.testing.assert_allclose(ring[0] / ring[1], np.exp(-0.5 * (0.5**2 - 1.0**2) / 0.4**2))
