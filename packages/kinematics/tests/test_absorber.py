"""The central absorber: its line against quadrature, its visibilities against a point in an image."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    C_KMS,
    Absorber,
    CellMoments,
    SkyGrid,
    UvCells,
    VelocityGrid,
    absorbed_flux,
    attenuation_at,
    expected_means,
    means_of_points,
    point_visibilities,
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


def test_visibilities_are_those_of_a_pixel_where_the_point_lies_on_one():
    sky, n_channels = SkyGrid(48, 0.2), 3
    mask = np.tile(np.random.default_rng(1).random((33, 17)) < 0.2, (n_channels, 1, 1))
    moments = CellMoments(*np.random.default_rng(2).uniform(-0.4, 0.4, (5, *mask.shape)))
    cells = UvCells.of(mask, sky, moments, float)
    flux = jnp.array([-0.1, -0.4, 0.2])
    east, north = 5, -3
    cube = np.zeros((n_channels, 48, 48))
    cube[:, 24 + north, 24 + east] = flux
    points = point_visibilities(cells.points, sky.npix * sky.cell_arcsec, east * 0.2, north * 0.2, flux)
    found = np.asarray(means_of_points(points, cells))
    # A pixel is a square, whose transform `expected_means` divides out: at its centre that of a point remains, times
    # that division.
    u, v = cells.points.uv()
    square = jnp.asarray(np.sinc(u / sky.npix) * np.sinc(v / sky.npix))[:, None, None]
    np.testing.assert_allclose(means_of_points(points / square, cells), expected_means(cube, cells), atol=1e-12)
    assert np.abs(found).max() > 0.1


def test_attenuation_between_pixels():
    sky = SkyGrid(16, 0.5)
    y, x = np.meshgrid(sky.centres_arcsec, sky.centres_arcsec, indexing="ij")
    plane = jnp.asarray(2.0 + 0.3 * x - 0.1 * y)
    assert attenuation_at(plane, sky, 1.13, -0.77) == pytest.approx(2.0 + 0.3 * 1.13 + 0.1 * 0.77)


def test_gradients_are_finite():
    channels = VelocityGrid(100.0, 10.0, 20)
    gas = {"continuum_jy": 0.2, "tau": 0.4, "velocity_kms": 3.0, "sigma_kms": 12.0}
    gradient = jax.grad(lambda p: jnp.sum(absorbed_flux(Absorber(**p), 4.0, channels) ** 2))(gas)
    assert all(np.isfinite(value) and value != 0 for value in gradient.values())
