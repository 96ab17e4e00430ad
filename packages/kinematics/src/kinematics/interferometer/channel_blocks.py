"""Expected cell means from the light of a disc, in blocks of a few channels.

A cube and its transform may exceed the caches of a core, while the result, V at the points that the cells need, is
small. Channels are independent, so each block can be rendered, transformed and differentiated on its own. A single
core then works within its caches; many cores on one evaluation synchronise more often.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from kinematics.interferometer.uv_cells import Points, UvCells, means_of_points, visibilities_at
from kinematics.render.cube import cube_of_light
from kinematics.render.line import Subcells
from kinematics.render.pixel import Pixel
from kinematics.render.spectral_response import SpectralResponse, smooth_channels
from kinematics.render.supersampling import Square

__all__ = ["expected_means_in_blocks"]


def expected_means_in_blocks(
    light: list[tuple[Square, Subcells]],
    edges_kms: Array,
    pixel: Pixel,
    response: SpectralResponse,
    cells: UvCells,
    size: int,
) -> Array:
    """Compute the cell means of `expected_means` without holding the whole cube.

    Args:
        light: light of a disc [Jy], from `light_of_disc`.
        edges_kms: edges of the channels of `with_margin` about the middle of the band [km/s], descending, shape
            (edge,).
        pixel: pixel response (static).
        response: spectral response of the channels (static).
        cells: uv cells of the data.
        size: channels per block (static).

    Returns:
        Expected means [Jy], complex, shape (cell, channel).

    """
    n_channels = cells.coefficients.shape[-1]
    blocks = range(-(-n_channels // size))
    margin = len(edges_kms) - 1 - n_channels
    # Padding channels have no width and hold no light.
    padded = jnp.pad(edges_kms, (0, len(blocks) * size - n_channels), mode="edge")
    edges = jnp.stack([padded[block * size : (block + 1) * size + margin + 1] for block in blocks])
    renderer = _Renderer(tuple(square[:3] for square, _ in light), pixel, response)
    where = tuple(square[3:] for square, _ in light)
    found = _visibilities(renderer, tuple(means for _, means in light), where, edges, cells.points)
    return means_of_points(found[..., :n_channels], cells)


class _Renderer(NamedTuple):
    """Static, hashable part of the rendering of a cube."""

    shapes: tuple[tuple[int, int, bool], ...]
    pixel: Pixel
    response: SpectralResponse

    def cube(self, means: tuple[Subcells, ...], where: tuple[tuple[Array, ...], ...], edges_kms: Array) -> Array:
        squares = (Square(*shape, *arrays) for shape, arrays in zip(self.shapes, where, strict=True))
        cube = cube_of_light(list(zip(squares, means, strict=True)), edges_kms, self.pixel)
        return smooth_channels(cube, self.response)


type _Light = tuple[Subcells, ...]
type _Where = tuple[tuple[Array, ...], ...]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _visibilities(renderer: _Renderer, means: _Light, where: _Where, edges: Array, points: Points) -> Array:
    """V at points, (point, 2, channel), for channel edges of shape (block, edge)."""
    found = jax.lax.map(lambda block: visibilities_at(renderer.cube(means, where, block), points), edges)
    return jnp.moveaxis(found, 0, 2).reshape(*found.shape[1:3], -1)


def _forward(
    renderer: _Renderer, means: _Light, where: _Where, edges: Array, points: Points
) -> tuple[Array, tuple[_Light, _Where, Array, Points]]:
    return _visibilities(renderer, means, where, edges, points), (means, where, edges, points)


def _backward(
    renderer: _Renderer, residuals: tuple[_Light, _Where, Array, Points], cotangent: Array
) -> tuple[_Light, None, None, None]:
    """Recompute the blocks: the gradient needs the light but no stored cube."""
    means, where, edges, points = residuals
    pulls = jnp.moveaxis(cotangent.reshape(*cotangent.shape[:2], len(edges), -1), 2, 0)

    def add(total: _Light, block: tuple[Array, Array]) -> tuple[_Light, None]:
        def of_light(means: _Light) -> Array:
            return visibilities_at(renderer.cube(means, where, block[0]), points)

        (part,) = jax.vjp(of_light, means)[1](block[1])
        return jax.tree.map(jnp.add, total, part), None

    total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, means), (edges, pulls))
    return total, None, None, None


_visibilities.defvjp(_forward, _backward)
