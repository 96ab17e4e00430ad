"""Expected means of uv cells from a disc's light, a few channels at a time.

A cube and its transform may be too large for a core's caches, while what is kept of them, V at the points that the
cells need, is small. Channels do not know of each other, so that a few at a time can go all the way, and the gradient
all the way back. A core that works alone on this finds its data in its caches; many cores on one evaluation wait for
each other more often.
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
    """Return the expected means [Jy], complex (cell, channel), that `expected_means` has of the whole cube.

    Args:
        light: of a disc, from `light_of_disc` [Jy].
        edges_kms: of the channels of `with_margin`, about the middle of the band, descending.
        pixel: what pixels hold (static).
        response: of the channels (static).
        cells: of the data.
        size: channels of a block (static).

    """
    n_channels = cells.coefficients.shape[-1]
    blocks = range(-(-n_channels // size))
    margin = len(edges_kms) - 1 - n_channels
    # Channels beyond the last, of no width, hold no light.
    padded = jnp.pad(edges_kms, (0, len(blocks) * size - n_channels), mode="edge")
    edges = jnp.stack([padded[block * size : (block + 1) * size + margin + 1] for block in blocks])
    renderer = _Renderer(tuple(square[:3] for square, _ in light), pixel, response)
    where = tuple(square[3:] for square, _ in light)
    found = _visibilities(renderer, tuple(means for _, means in light), where, edges, cells.points)
    return means_of_points(found[..., :n_channels], cells)


class _Renderer(NamedTuple):
    """Static part of the way from light to a cube, hashable."""

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
    """V at points, (point, 2, channel), of edges of shape (block, edge)."""
    found = jax.lax.map(lambda block: visibilities_at(renderer.cube(means, where, block), points), edges)
    return jnp.moveaxis(found, 0, 2).reshape(*found.shape[1:3], -1)


def _forward(
    renderer: _Renderer, means: _Light, where: _Where, edges: Array, points: Points
) -> tuple[Array, tuple[_Light, _Where, Array, Points]]:
    return _visibilities(renderer, means, where, edges, points), (means, where, edges, points)


def _backward(
    renderer: _Renderer, residuals: tuple[_Light, _Where, Array, Points], cotangent: Array
) -> tuple[_Light, None, None, None]:
    """Go over the blocks again: the gradient needs the light, but no cube."""
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
