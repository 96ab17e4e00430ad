"""The line cube of a thin rotating disc, integrated over every pixel and channel.

Pixels are divided into square subcells, more of them in nested squares around the centre, where the velocity
changes within a pixel. In a subcell the line of sight velocity is taken to first order, and its spread there
widens the line: with g the velocity gradient and h the subcell's side, sigma^2 = sigma_gas^2 + g^2 h^2 / 12. That
makes the spectrum of a subcell right to second moment, so that a few subcells do where point samples need many.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.typing import ArrayLike

from kinematics.disc import Disc
from kinematics.dispersion import Dispersion, dispersion_at
from kinematics.geometry import Geometry, disc_plane, line_of_sight_velocity
from kinematics.grids import SkyGrid, VelocityGrid
from kinematics.line import Subcells, channel_flux
from kinematics.rotation import RotationCurve, interpolate

__all__ = ["DEFAULT_LEVELS", "Level", "render_cube"]


class Level(NamedTuple):
    """Supersampling within a square of pixels around the disc's centre."""

    npix: int | None
    """Side of the square in pixels; None for the whole image."""
    subcells: int
    """Subcells along a pixel's side."""


# For pixels of a sixth of the beam, that is a data grid's cell refined by two.
DEFAULT_LEVELS = (Level(None, 1), Level(48, 2), Level(24, 4), Level(8, 16))


def render_cube(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    flux_jykms: ArrayLike,
    sigma_gas_kms: ArrayLike | Dispersion,
    sky: SkyGrid,
    channels: VelocityGrid,
    levels: tuple[Level, ...] = DEFAULT_LEVELS,
    attenuation: Array | None = None,
) -> Array:
    """Render the channel-integrated cube of a thin disc in circular rotation.

    Flux outside the channels is dropped.

    Args:
        disc: surface-brightness profile.
        geometry: orientation, centre and systemic velocity.
        curve: rotation curve.
        flux_jykms: line flux of the whole disc.
        sigma_gas_kms: line-of-sight velocity dispersion of the gas, one number or a law of radius.
        sky: image grid.
        channels: velocity channels.
        levels: supersampling, from the whole image inwards (static).
        attenuation: factor per pixel, shape (npix, npix), as of a primary beam.

    Returns:
        Flux density [Jy per pixel], shape (channel, y, x), in ascending frequency.

    """
    dtype = curve.velocity_kms.dtype
    edges = jnp.asarray(channels.edges_kms, dtype)
    scale = jnp.asarray(flux_jykms, dtype) / channels.width_kms
    whole = jnp.ones((sky.npix, sky.npix), dtype) if attenuation is None else attenuation.astype(dtype)

    cube = None
    inner: _Square | None = None
    for level in reversed(levels):
        square = _Square.around(geometry, sky.npix if level.npix is None else min(level.npix, sky.npix), sky)
        subcells = _sample(disc, geometry, curve, sigma_gas_kms, sky, square, level.subcells)
        factor = scale * square.cut(whole)
        if inner is not None:
            factor = jnp.where(square.holds(inner), 0, factor)
        # The barrier keeps XLA from fusing the geometry into the loop over edges, where it would be computed again
        # for every edge.
        patch = channel_flux(edges, barrier(subcells._replace(flux=subcells.flux * factor)))
        if cube is not None and inner is not None:
            patch = _fill(patch, cube, inner.corner_y - square.corner_y, inner.corner_x - square.corner_x)
        cube, inner = patch, square
    assert cube is not None
    return cube


class _Square(NamedTuple):
    """A square of pixels: its side (static) and first row and column."""

    npix: int
    corner_y: Array
    corner_x: Array

    @classmethod
    def around(cls, geometry: Geometry, npix: int, sky: SkyGrid) -> _Square:
        """Return the square about the disc's centre, kept inside the image."""
        return cls(npix, _corner(geometry.y0_arcsec, npix, sky), _corner(geometry.x0_arcsec, npix, sky))

    def cut(self, image: Array) -> Array:
        """Return this square of an image."""
        return jax.lax.dynamic_slice(image, (self.corner_y, self.corner_x), (self.npix, self.npix))

    def holds(self, inner: _Square) -> Array:
        """Tell which of this square's pixels lie in a smaller one, shape (npix, npix)."""
        pixel = jnp.arange(self.npix)
        row = pixel + self.corner_y - inner.corner_y
        column = pixel + self.corner_x - inner.corner_x
        return ((row >= 0) & (row < inner.npix))[:, None] & ((column >= 0) & (column < inner.npix))


@jax.custom_vjp
def _fill(cube: Array, patch: Array, row: Array, column: Array) -> Array:
    """Put a patch into a cube that is zero, and stays zero, in that place.

    Because it does, the cube's own cotangent there does not matter, and the backward pass need not copy the cube.
    """
    return jax.lax.dynamic_update_slice(cube, patch, (jnp.zeros_like(row), row, column))


def _fill_forward(cube: Array, patch: Array, row: Array, column: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    # The patch itself is not needed on the way back, only its shape, which an empty broadcast of it carries.
    return _fill(cube, patch, row, column), (jnp.zeros((0, *patch.shape[1:])), row, column)


def _fill_backward(residuals: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None, None]:
    shape, row, column = residuals
    size = (cotangent.shape[0], *shape.shape[1:])
    return cotangent, jax.lax.dynamic_slice(cotangent, (jnp.zeros_like(row), row, column), size), None, None


_fill.defvjp(_fill_forward, _fill_backward)


def _corner(centre_arcsec: ArrayLike, npix: int, sky: SkyGrid) -> Array:
    """First pixel of a square of `npix` pixels about the disc's centre, kept inside the image."""
    pixel = jnp.round(jax.lax.stop_gradient(jnp.asarray(centre_arcsec)) / sky.cell_arcsec).astype(jnp.int32)
    return jnp.clip(pixel + sky.npix // 2 - npix // 2, 0, sky.npix - npix)


def _sample(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    sigma_gas_kms: ArrayLike | Dispersion,
    sky: SkyGrid,
    square: _Square,
    subcells: int,
) -> Subcells:
    """Flux, velocity and line width of every subcell in a square of pixels."""
    dtype = curve.velocity_kms.dtype
    side = sky.cell_arcsec / subcells
    offset = jnp.asarray((np.arange(subcells) - (subcells - 1) / 2) * side, dtype)
    pixel = np.arange(square.npix) - sky.npix // 2
    x = jnp.asarray(pixel * sky.cell_arcsec, dtype) + square.corner_x * jnp.asarray(sky.cell_arcsec, dtype)
    y = jnp.asarray(pixel * sky.cell_arcsec, dtype) + square.corner_y * jnp.asarray(sky.cell_arcsec, dtype)
    offset_y, offset_x = (o.ravel() for o in jnp.meshgrid(offset, offset, indexing="ij"))

    plane = disc_plane(
        geometry, x[None, None, :] + offset_x[:, None, None], y[None, :, None] + offset_y[:, None, None]
    )
    # A subcell centred exactly on the disc's centre has no direction of rotation; moving it by a thousandth of
    # its side keeps values and gradients finite.
    radius_squared = plane.major**2 + plane.minor**2 + (1e-3 * side) ** 2
    radius = jnp.sqrt(radius_squared)
    speed, slope = interpolate(curve, radius)

    velocity, along_major, along_minor = line_of_sight_velocity(plane, radius_squared, speed, slope)
    spread_squared = (along_major**2 + along_minor**2) * side**2 / 12
    return Subcells(
        flux=disc.surface_brightness(radius) * (side**2 * plane.flux_factor),
        velocity_kms=jnp.asarray(geometry.vsys_kms) + velocity,
        sigma_kms=jnp.sqrt(dispersion_at(sigma_gas_kms, radius) ** 2 + spread_squared),
    )
