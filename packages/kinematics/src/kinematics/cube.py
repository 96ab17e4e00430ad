"""The line cube of a thin rotating disc, integrated over every channel and put into pixels.

Pixels are divided into square subcells, more of them in nested squares around the centre, where the velocity
changes within a pixel. In a subcell the line of sight velocity is taken to first order, and its spread there
widens the line: with g the velocity gradient and h the subcell's side, sigma^2 = sigma_gas^2 + g^2 h^2 / 12. That
makes the spectrum of a subcell right to second moment, so that a few subcells do where point samples need many.
How the light of subcells is put into pixels is the pixels' own matter: `kinematics.pixel`.
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
from kinematics.pixel import BOX, Pixel, deposit_matrix, subcell_places
from kinematics.rotation import RotationCurve, interpolate

__all__ = ["DEFAULT_LEVELS", "Level", "render_cube"]

# On GPUs products of matrices are otherwise rounded to ten bits.
EXACT = jax.lax.Precision.HIGHEST


class Level(NamedTuple):
    """Supersampling within a square of pixels around the disc's centre."""

    npix: int | None
    """Side of the square in pixels; None for the whole image."""
    subcells: int
    """Subcells along a pixel's side."""


# For pixels of 0.375 over the longest baseline, 0.4 of the beam: what `BandLimited` asks for.
DEFAULT_LEVELS = (Level(None, 1), Level(56, 2), Level(28, 4), Level(14, 8), Level(6, 20))


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
    pixel: Pixel = BOX,
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
        attenuation: factor at the centre of each pixel, shape (npix, npix), as of a primary beam; linear between.
        pixel: what pixels hold (static); `BAND_LIMITED` for cubes that are to be transformed. Tell the transform too.

    Returns:
        Flux density [Jy per pixel], shape (channel, y, x), in ascending frequency.

    Raises:
        ValueError: the first level is not the whole image.

    """
    dtype = curve.velocity_kms.dtype
    edges = barrier(jnp.asarray(channels.edges_kms, dtype))
    scale = jnp.asarray(flux_jykms, dtype) / channels.width_kms
    squares = [_Square.around(geometry, level, sky, pixel) for level in levels]
    if not squares[0].whole:
        raise ValueError(f"the first of the levels {levels} must be the whole image: Level(None, ...)")
    # Of squares that all fill the image, the finest.
    first = max(i for i, square in enumerate(squares) if square.whole)

    cube: Array | None = None
    for square, inner in zip(squares[first:], [*squares[first + 1 :], None], strict=True):
        subcells = _sample(disc, geometry, curve, sigma_gas_kms, sky, square)
        factor = scale if attenuation is None else scale * square.interpolate(attenuation.astype(dtype))
        if inner is not None:
            factor = jnp.where(square.holds(inner), 0, factor)
        # The barrier keeps XLA from fusing the geometry into the loop over edges, where it would be computed again
        # for every edge.
        light = channel_flux(edges, barrier(subcells._replace(flux=subcells.flux * factor)))
        patch = square.deposit(light, pixel)
        if cube is None:
            cube = patch
        else:
            cube = _add(cube, patch, square.corner_y - pixel.margin, square.corner_x - pixel.margin)
    assert cube is not None
    return cube


class _Square(NamedTuple):
    """A square of pixels, divided into subcells: its side and division (static), first row and column."""

    npix: int
    subcells: int
    whole: bool
    corner_y: Array
    corner_x: Array

    @classmethod
    def around(cls, geometry: Geometry, level: Level, sky: SkyGrid, pixel: Pixel) -> _Square:
        """Return the square about the disc's centre, kept inside the image with all that its light reaches."""
        if level.npix is None or level.npix + 2 * pixel.margin > sky.npix:
            zero = jnp.zeros((), jnp.int32)
            return cls(sky.npix, level.subcells, True, zero, zero)
        corner_y, corner_x = (
            _corner(centre, level.npix, pixel.margin, sky) for centre in (geometry.y0_arcsec, geometry.x0_arcsec)
        )
        return cls(level.npix, level.subcells, False, corner_y, corner_x)

    def interpolate(self, image: Array) -> Array:
        """Return an image's values in the subcells of this square."""
        cut = jax.lax.dynamic_slice(image, (self.corner_y, self.corner_x), (self.npix, self.npix))
        return cut if self.subcells == 1 else _both_axes(_linear(self.npix, self.subcells), cut)

    def holds(self, inner: _Square) -> Array:
        """Tell which of this square's subcells lie in a smaller one, shape (npix * subcells, npix * subcells)."""
        pixel = jnp.arange(self.npix * self.subcells) // self.subcells
        row = pixel + self.corner_y - inner.corner_y
        column = pixel + self.corner_x - inner.corner_x
        return ((row >= 0) & (row < inner.npix))[:, None] & ((column >= 0) & (column < inner.npix))

    def deposit(self, light: Array, pixel: Pixel) -> Array:
        """Put the light of subcells, (channel, y, x), into pixels: these, and unless whole a margin around them."""
        if self.subcells == 1 and self.whole:
            return light  # samples at the centres of pixels are these pixels, whatever the filter
        return _both_axes(deposit_matrix(pixel, self.npix, self.subcells, wrap=self.whole), light)


def _both_axes(matrix: np.ndarray, image: Array) -> Array:
    """Apply a matrix along y and along x of an image (..., y, x)."""
    weights = jnp.asarray(matrix, image.dtype)
    return jnp.matmul(weights, jnp.matmul(image, weights.T, precision=EXACT), precision=EXACT)


def _linear(npix: int, subcells: int) -> np.ndarray:
    """Weights of linear interpolation from pixels to subcells, (npix * subcells, npix); beyond the ends too."""
    if npix == 1:
        return np.ones((subcells, 1))
    place = subcell_places(npix, subcells)
    before = np.clip(np.floor(place).astype(int), 0, npix - 2)
    share = (place - before)[:, None]
    pixel = np.arange(npix)
    return (pixel == before[:, None]) * (1 - share) + (pixel == before[:, None] + 1) * share


@jax.custom_vjp
def _add(cube: Array, patch: Array, row: Array, column: Array) -> Array:
    """Add a patch to a cube in place; the backward pass need not copy the cube either."""
    before = jax.lax.dynamic_slice(cube, (jnp.zeros_like(row), row, column), patch.shape)
    return jax.lax.dynamic_update_slice(cube, before + patch, (jnp.zeros_like(row), row, column))


def _add_forward(cube: Array, patch: Array, row: Array, column: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    # The patch itself is not needed on the way back, only its shape, which an empty array carries.
    return _add(cube, patch, row, column), (jnp.zeros((0, *patch.shape[1:])), row, column)


def _add_backward(residuals: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None, None]:
    shape, row, column = residuals
    size = (cotangent.shape[0], *shape.shape[1:])
    return cotangent, jax.lax.dynamic_slice(cotangent, (jnp.zeros_like(row), row, column), size), None, None


_add.defvjp(_add_forward, _add_backward)


def _corner(centre_arcsec: ArrayLike, npix: int, margin: int, sky: SkyGrid) -> Array:
    """First pixel of a square of `npix` pixels about the disc's centre, `margin` pixels or more off the edges."""
    pixel = jnp.round(jax.lax.stop_gradient(jnp.asarray(centre_arcsec)) / sky.cell_arcsec).astype(jnp.int32)
    return jnp.clip(pixel + sky.npix // 2 - npix // 2, margin, sky.npix - npix - margin)


def _sample(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    sigma_gas_kms: ArrayLike | Dispersion,
    sky: SkyGrid,
    square: _Square,
) -> Subcells:
    """Flux, velocity and line width of every subcell in a square of pixels."""
    dtype = curve.velocity_kms.dtype
    side = sky.cell_arcsec / square.subcells
    places = jnp.asarray(subcell_places(square.npix, square.subcells), dtype)
    cell = jnp.asarray(sky.cell_arcsec, dtype)
    x, y = ((places - sky.npix // 2) * cell + corner * cell for corner in (square.corner_x, square.corner_y))

    plane = disc_plane(geometry, x[None, :], y[:, None])
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
