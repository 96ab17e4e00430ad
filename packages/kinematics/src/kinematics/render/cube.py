"""Line cube of a thin rotating disc, integrated over channels and pixels.

Pixels are divided into square subcells, more of them around the centre (`kinematics.render.supersampling`). Each
subcell holds the mean light of its square and the mean and variance of its velocities
(`kinematics.render.cell_mean`), so a few of them replace many point samples: errors fall with the fourth power of the
side of a subcell. `kinematics.render.pixel` defines how the light of subcells is assigned to pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.typing import ArrayLike

from kinematics.constants import C_KMS
from kinematics.doppler import BandShift, band_shift
from kinematics.gas.dispersion import Dispersion, dispersion_at
from kinematics.gas.geometry import Geometry, disc_plane, line_of_sight_velocity
from kinematics.gas.profiles import Disc
from kinematics.grids import SkyGrid, VelocityGrid
from kinematics.mass.curve import RotationCurve, interpolate
from kinematics.render.cell_mean import cell_means
from kinematics.render.line import Subcells, channel_flux
from kinematics.render.pixel import BOX, Pixel, deposit
from kinematics.render.supersampling import DEFAULT_LEVELS, Level, Square, Stack, nested_squares, stacks

__all__ = ["cube_of_light", "light_of_disc", "render_cube"]


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
        flux_jykms: line flux of the whole disc [Jy km/s], integrated over velocity in the galaxy's frame.
        sigma_gas_kms: line-of-sight velocity dispersion of the gas [km/s], a number or a law of radius.
        sky: image grid.
        channels: velocity channels.
        levels: supersampling, from the whole image inwards (static).
        attenuation: factor at pixel centres, such as a primary beam, shape (npix, npix); linear in between.
        pixel: pixel response (static); `BAND_LIMITED` for cubes that will be Fourier transformed.

    Returns:
        Flux density [Jy per pixel], shape (channel, y, x), in ascending frequency.

    Raises:
        ValueError: the first level is not the whole image.

    """
    light = light_of_disc(disc, geometry, curve, flux_jykms, sigma_gas_kms, sky, channels, levels, attenuation, pixel)
    return cube_of_light(light, jnp.asarray(channels.edges_about_middle_kms, curve.velocity_kms.dtype), pixel)


def light_of_disc(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    flux_jykms: ArrayLike,
    sigma_gas_kms: ArrayLike | Dispersion,
    sky: SkyGrid,
    channels: VelocityGrid,
    levels: tuple[Level, ...],
    attenuation: Array | None,
    pixel: Pixel,
) -> list[tuple[Square, Subcells]]:
    """Compute the mean light of the subcells of each nested square, the image first.

    Arguments are those of `render_cube`.

    Returns:
        Each square with its subcells: line flux divided by the channel width [Jy], velocity about mid-band and line
        width [km/s], each of shape (y, x).

    Raises:
        ValueError: the first level is not the whole image.
    """
    dtype = curve.velocity_kms.dtype
    shift = BandShift(*(jnp.asarray(value, dtype) for value in band_shift(geometry.vsys_kms, channels)))
    # A channel spans (1 + z) times its radio width in the galaxy's frame.
    width_kms = channels.width_kms / (1 - jnp.asarray(geometry.vsys_kms) / C_KMS)
    flux = jnp.asarray(flux_jykms, dtype) / jnp.asarray(width_kms, dtype)
    squares = nested_squares(levels, geometry.y0_arcsec, geometry.x0_arcsec, sky, pixel)
    light: list[tuple[Square, Subcells]] = []
    for stack in stacks(squares):
        points = _sample(disc, geometry, shift, curve, sigma_gas_kms, sky, stack)
        factor = flux * stack.shares(dtype)
        if attenuation is not None:
            factor *= stack.interpolate(attenuation.astype(dtype))
        # The barriers keep XLA from fusing the geometry into every term of a mean and the means into the loop over
        # edges, which would recompute them for every edge.
        points = barrier(points._replace(flux=points.flux * factor))
        light += zip(stack.squares, _unstacked(barrier(cell_means(points)), stack), strict=True)
    return light


def cube_of_light(light: list[tuple[Square, Subcells]], edges_kms: Array, pixel: Pixel) -> Array:
    """Assign the spectra of subcells to the pixels of an image.

    Args:
        light: light of a disc, from `light_of_disc`.
        edges_kms: channel edges about the middle of the band [km/s], descending, shape (channel + 1,).
        pixel: pixel response (static).

    Returns:
        Flux density [Jy per pixel], shape (channel, y, x).

    """
    edges_kms = barrier(edges_kms)
    (image, means), *squares = light
    cube = deposit(channel_flux(edges_kms, means), pixel, image.npix, image.subcells, wrap=image.whole)
    for square, means in squares:
        patch = deposit(channel_flux(edges_kms, means), pixel, square.npix, square.subcells, wrap=square.whole)
        cube = _add(cube, patch, square.corner_y - pixel.margin, square.corner_x - pixel.margin)
    return cube


@jax.custom_vjp
def _add(cube: Array, patch: Array, row: Array, column: Array) -> Array:
    """Add a patch to a cube in place, without copying the cube in the backward pass either."""
    before = jax.lax.dynamic_slice(cube, (jnp.zeros_like(row), row, column), patch.shape)
    return jax.lax.dynamic_update_slice(cube, before + patch, (jnp.zeros_like(row), row, column))


def _add_forward(cube: Array, patch: Array, row: Array, column: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    # The backward pass needs only the shape of the patch, which an empty array carries.
    return _add(cube, patch, row, column), (jnp.zeros((0, *patch.shape[1:])), row, column)


def _add_backward(residuals: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None, None]:
    shape, row, column = residuals
    size = (cotangent.shape[0], *shape.shape[1:])
    return cotangent, jax.lax.dynamic_slice(cotangent, (jnp.zeros_like(row), row, column), size), None, None


_add.defvjp(_add_forward, _add_backward)


def _sample(
    disc: Disc,
    geometry: Geometry,
    shift: BandShift,
    curve: RotationCurve,
    sigma_gas_kms: ArrayLike | Dispersion,
    sky: SkyGrid,
    stack: Stack,
) -> Subcells:
    """Flux, velocity and line width at the centres of subcells plus one more on every side, (square, y, x)."""
    dtype = curve.velocity_kms.dtype
    side = jnp.asarray(sky.cell_arcsec / stack.subcells[:, None, None], dtype)
    places = jnp.asarray(stack.places, dtype)
    cell = jnp.asarray(sky.cell_arcsec, dtype)
    y, x = ((places - sky.npix // 2) * cell + corner[:, None] * cell for corner in stack.corners)

    plane = disc_plane(geometry, x[:, None, :], y[:, :, None])
    # A subcell centred exactly on the disc's centre has no direction of rotation; softening the radius by a
    # thousandth of its side keeps values and gradients finite.
    radius = jnp.sqrt(plane.major**2 + plane.minor**2 + (1e-3 * side) ** 2)
    velocity = line_of_sight_velocity(plane, radius, interpolate(curve, radius))
    return Subcells(
        flux=disc.surface_brightness(radius) * (side**2 * plane.flux_factor),
        velocity_kms=shift.offset_kms + shift.stretch * velocity,
        sigma_kms=jnp.broadcast_to(shift.stretch * dispersion_at(sigma_gas_kms, radius), radius.shape),
    )


def _unstacked(means: Subcells, stack: Stack) -> Iterator[Subcells]:
    """Yield the subcells of each square, (y, x)."""
    for square, fields in zip(stack.squares, zip(*map(jnp.unstack, means), strict=True), strict=True):
        yield Subcells(*(field[: square.n_subcells, : square.n_subcells] for field in fields))
