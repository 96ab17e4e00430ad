"""Visibilities of a point source against those of a point in an image."""

import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    CellMoments,
    SkyGrid,
    UvCells,
    attenuation_at,
    expected_means,
    means_of_points,
    point_visibilities,
)


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
