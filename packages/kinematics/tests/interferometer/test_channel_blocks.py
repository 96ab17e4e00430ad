"""Blocks of channels against the whole cube: the same means, the same gradient, in less memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    BAND_LIMITED,
    DEFAULT_LEVELS,
    CellMoments,
    SkyGrid,
    UvCells,
    VelocityGrid,
    expected_means,
    expected_means_in_blocks,
    light_of_disc,
    smooth_channels,
    with_margin,
)
from kinematics.render.cube import cube_of_light

SKY = SkyGrid(96, 0.1)


class Means(NamedTuple):
    """Functions of the flux and the line width that have the same value."""

    whole: object
    blocks: object


@pytest.fixture
def means_of(narrow_line):
    """Return a function from a response and the size of blocks to both ways of having the means of cells."""

    def of(response, size, n_channels=11):
        disc, curve = narrow_line, narrow_line.curve()
        data = VelocityGrid(disc.geometry.vsys_kms + 200, 37.0, n_channels)
        rng = np.random.default_rng(2)
        mask = np.tile(rng.random((65, 33)) < 0.05, (n_channels, 1, 1))
        moments = CellMoments(*rng.uniform(-0.5, 0.5, (5, *mask.shape)))
        cells = UvCells.of(mask, SKY, moments, float)
        edges = jnp.asarray(with_margin(data, response).edges_about_middle_kms)

        def light(flux, sigma_kms):
            sky = (SKY, data, DEFAULT_LEVELS, None, BAND_LIMITED)
            return light_of_disc(disc.disc, disc.geometry, curve, flux, sigma_kms, *sky)

        def whole(flux, sigma_kms):
            cube = cube_of_light(light(flux, sigma_kms), edges, BAND_LIMITED)
            return expected_means(smooth_channels(cube, response), cells)

        def blocks(flux, sigma_kms):
            return expected_means_in_blocks(light(flux, sigma_kms), edges, BAND_LIMITED, response, cells, size)

        return Means(whole, blocks)

    return of


@pytest.mark.slow
@pytest.mark.parametrize("response", ["top_hat", "hanning"])
@pytest.mark.parametrize("size", [1, 4, 11, 20])
def test_means_and_gradients_are_those_of_the_whole_cube(means_of, response, size):
    means = means_of(response, size)

    def misfit(flux, sigma_kms, of):
        found = of(flux, sigma_kms)
        return jnp.sum(found.real**3 + 2 * found.imag**3)

    results = [
        jax.jit(jax.value_and_grad(lambda flux, sigma, of=of: misfit(flux, sigma, of), (0, 1)))(3.0, 9.0)
        for of in means
    ]
    for blocks, whole in zip(*map(jax.tree.leaves, results[::-1]), strict=True):
        np.testing.assert_allclose(blocks, whole, rtol=1e-11)
    np.testing.assert_allclose(means.blocks(3.0, 9.0), means.whole(3.0, 9.0), atol=1e-13)


@pytest.mark.slow
def test_blocks_need_less_memory(means_of):
    def temporary_bytes(of):
        gradient = jax.grad(lambda flux: jnp.sum(abs(of(flux, 9.0)) ** 2))
        return jax.jit(gradient).lower(3.0).compile().memory_analysis().temp_size_in_bytes

    means = means_of("top_hat", 4, n_channels=240)
    assert temporary_bytes(means.blocks) < 0.5 * temporary_bytes(means.whole)
