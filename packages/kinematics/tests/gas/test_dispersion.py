"""Radius-dependent dispersion: its law, and the line that a face-on disc shows of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    ExponentialDisc,
    ExponentialDispersion,
    Geometry,
    Level,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    dispersion_at,
    log_radii,
    render_cube,
)

CHANNELS = VelocityGrid(first_kms=147.5, width_kms=5.0, n_channels=60)


def spectrum(sigma):
    """Spectrum of a face-on exponential disc, whose rotation does not show."""
    radii, step = log_radii(1e-3, 40.0, 32)
    curve = RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), jnp.full(32, 100.0))
    cube = render_cube(
        ExponentialDisc(0.5),
        Geometry(0.0, 0.0, 0.0, 0.0, 0.0),
        curve,
        1.0,
        sigma,
        SkyGrid(80, 0.15),
        CHANNELS,
        (Level(None, 1), Level(24, 5)),
    )
    return jnp.sum(cube, axis=(1, 2))


def test_the_law():
    radius = jnp.asarray([0.0, 1.0, 50.0])
    sigma = ExponentialDispersion(30.0, 8.0, 2.0)
    np.testing.assert_allclose(dispersion_at(sigma, radius), 8 + 22 * np.exp(-np.asarray(radius) / 2))
    assert dispersion_at(9.0, radius) == 9.0
    assert dispersion_at(jnp.asarray(9.0), radius) == 9.0


def test_variance_of_the_line():
    centre, outer, scale, h = 30.0, 8.0, 0.8, 0.5
    line = np.asarray(spectrum(ExponentialDispersion(centre, outer, scale)))
    variance = np.average(CHANNELS.centres_kms**2, weights=line) - CHANNELS.width_kms**2 / 12
    # Mean of sigma^2 weighted by R exp(-R / h): <exp(-R / s)> = 1 / (1 + h / s)^2.
    once, twice = (1 + h / scale) ** -2, (1 + 2 * h / scale) ** -2
    expected = outer**2 + 2 * outer * (centre - outer) * once + (centre - outer) ** 2 * twice
    # Subcells of 0.03 arcsec across the disc's cusp.
    assert variance == pytest.approx(expected, rel=1e-3)


def test_a_law_that_does_not_vary_is_a_number():
    np.testing.assert_allclose(spectrum(ExponentialDispersion(12.0, 12.0, 1.0)), spectrum(12.0), rtol=1e-12)


def test_gradients_under_jit():
    weight = jnp.linspace(-1, 1, 60) ** 2

    @jax.jit
    def width(law):
        return jnp.sum(weight * spectrum(law))

    law = ExponentialDispersion(*(jnp.asarray(a) for a in (30.0, 8.0, 0.8)))
    gradient = jax.grad(width)(law)
    for name, value in law._asdict().items():
        h = 1e-4 * value
        numeric = (width(law._replace(**{name: value + h})) - width(law._replace(**{name: value - h}))) / (2 * h)
        assert float(getattr(gradient, name)) == pytest.approx(float(numeric), rel=1e-5)
