"""The line cube of a thin rotating disc, integrated over every pixel and channel.

Pixels are divided into square subcells, more of them in nested squares around the centre, where the velocity
changes within a pixel. In a subcell the line of sight velocity is taken to first order, and its spread there
widens the line: with g the velocity gradient and h the subcell's side, sigma^2 = sigma_gas^2 + g^2 h^2 / 12. That
makes the spectrum of a subcell right to second moment, so that a few subcells do where point samples need many.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.scipy.special import erf
from jax.typing import ArrayLike

from kinematics.disc import Disc
from kinematics.geometry import Geometry, disc_coordinates
from kinematics.grids import SkyGrid, VelocityGrid
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


class _Samples(NamedTuple):
    """Subcells of a patch of pixels, shape (subcell, y, x)."""

    flux: Array
    velocity_kms: Array
    sigma_kms: Array


def render_cube(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    flux_jykms: ArrayLike,
    sigma_gas_kms: ArrayLike,
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
        sigma_gas_kms: line-of-sight velocity dispersion of the gas.
        sky: image grid (static).
        channels: velocity channels (static).
        levels: supersampling, from the whole image inwards (static).
        attenuation: factor per pixel, shape (npix, npix), as of a primary beam.

    Returns:
        Flux density [Jy per pixel], shape (channel, y, x), in ascending frequency.

    """
    dtype = curve.velocity_kms.dtype
    edges = jnp.asarray(channels.edges_kms, dtype)
    scale = jnp.asarray(flux_jykms, dtype) / channels.width_kms
    whole = jnp.ones((sky.npix, sky.npix), dtype) if attenuation is None else attenuation.astype(dtype)

    below = None
    for level in levels:
        npix = sky.npix if level.npix is None else min(level.npix, sky.npix)
        corner_x = _corner(geometry.x0_arcsec, npix, sky)
        corner_y = _corner(geometry.y0_arcsec, npix, sky)
        samples = _sample(disc, geometry, curve, sigma_gas_kms, sky, npix, level.subcells, corner_x, corner_y)
        factor = jax.lax.dynamic_slice(whole, (corner_y, corner_x), (npix, npix))
        samples = samples._replace(flux=samples.flux * (factor * scale))
        # The barriers keep XLA from fusing the geometry into the loop over edges, and the loops into each other,
        # where it would compute them again for every edge: seven times slower on a CPU.
        patch = barrier(_flux_below(edges, barrier(samples)))
        if below is None:
            below = patch
        else:
            below = barrier(
                jax.lax.dynamic_update_slice(below, patch, (jnp.zeros_like(corner_y), corner_y, corner_x))
            )
    assert below is not None
    # Edges descend: a channel lies between its upper and its lower edge.
    return below[:-1] - below[1:]


def _corner(centre_arcsec: ArrayLike, npix: int, sky: SkyGrid) -> Array:
    """First pixel of a square of `npix` pixels about the disc's centre, kept inside the image."""
    pixel = jnp.round(jax.lax.stop_gradient(jnp.asarray(centre_arcsec)) / sky.cell_arcsec).astype(jnp.int32)
    return jnp.clip(pixel + sky.npix // 2 - npix // 2, 0, sky.npix - npix)


def _sample(
    disc: Disc,
    geometry: Geometry,
    curve: RotationCurve,
    sigma_gas_kms: ArrayLike,
    sky: SkyGrid,
    npix: int,
    subcells: int,
    corner_x: Array,
    corner_y: Array,
) -> _Samples:
    """Flux, velocity and line width of every subcell in a square of pixels."""
    dtype = curve.velocity_kms.dtype
    side = sky.cell_arcsec / subcells
    offset = (np.arange(subcells) - (subcells - 1) / 2) * side
    pixel = np.arange(npix) - sky.npix // 2
    x = jnp.asarray(pixel * sky.cell_arcsec, dtype) + corner_x * jnp.asarray(sky.cell_arcsec, dtype)
    y = jnp.asarray(pixel * sky.cell_arcsec, dtype) + corner_y * jnp.asarray(sky.cell_arcsec, dtype)
    offset_y, offset_x = (jnp.asarray(o.ravel(), dtype) for o in np.meshgrid(offset, offset, indexing="ij"))

    major, minor = disc_coordinates(
        geometry, x[None, None, :] + offset_x[:, None, None], y[None, :, None] + offset_y[:, None, None]
    )
    # A subcell centred exactly on the disc's centre has no direction of rotation; moving it by a thousandth of
    # its side keeps values and gradients finite.
    radius_squared = major**2 + minor**2 + (1e-3 * side) ** 2
    radius = jnp.sqrt(radius_squared)
    speed, slope = interpolate(curve, radius)

    sin_i, cos_i = jnp.sin(geometry.inclination_rad), jnp.cos(geometry.inclination_rad)
    angular = speed / radius
    shear = (slope - speed) / (radius_squared * radius)
    gradient_major = angular + shear * major**2
    gradient_minor = shear * major * minor / cos_i
    spread_squared = (gradient_major**2 + gradient_minor**2) * (sin_i * side) ** 2 / 12
    return _Samples(
        flux=disc.surface_brightness(radius) * (side**2 / cos_i),
        velocity_kms=jnp.asarray(geometry.vsys_kms) + sin_i * angular * major,
        sigma_kms=jnp.sqrt(jnp.asarray(sigma_gas_kms) ** 2 + spread_squared),
    )


@jax.custom_vjp
def _flux_below(edges: Array, samples: _Samples) -> Array:
    """Sum over subcells of flux with velocity below each edge, less half of all: shape (edge, y, x)."""

    def add(total: Array, one: _Samples) -> tuple[Array, None]:
        z = (edges[:, None, None] - one.velocity_kms) * (math.sqrt(0.5) / one.sigma_kms)
        return total + (0.5 * one.flux) * erf(z), None

    zero = jnp.zeros((edges.shape[0], *samples.flux.shape[1:]), samples.flux.dtype)
    # Unrolling by four reads and writes the running total once per four subcells.
    return jax.lax.scan(add, zero, samples, unroll=4)[0]


def _flux_below_forward(edges: Array, samples: _Samples) -> tuple[Array, tuple[Array, _Samples]]:
    return _flux_below(edges, samples), (edges, samples)


def _flux_below_backward(residuals: tuple[Array, _Samples], cotangent: Array) -> tuple[None, _Samples]:
    """Recompute edge by edge: the (edge, subcell, y, x) intermediates would leave every cache."""
    edges, samples = residuals
    inverse = math.sqrt(0.5) / samples.sigma_kms

    def add(sums: tuple[Array, Array, Array], at: tuple[Array, Array]) -> tuple[tuple[Array, Array, Array], None]:
        edge, pull = at
        z = (edge - samples.velocity_kms) * inverse
        bell = pull * jnp.exp(-(z**2))
        return (sums[0] + pull * erf(z), sums[1] + bell, sums[2] + bell * z), None

    zero = jnp.zeros_like(samples.flux)
    (by_erf, by_bell, by_moment), _ = jax.lax.scan(add, (zero, zero, zero), (edges, barrier(cotangent)), unroll=4)
    by_z = samples.flux / math.sqrt(math.pi)
    return None, _Samples(
        flux=0.5 * by_erf,
        velocity_kms=-by_z * inverse * by_bell,
        sigma_kms=-by_z / samples.sigma_kms * by_moment,
    )


_flux_below.defvjp(_flux_below_forward, _flux_below_backward)
