"""Point source, such as an active nucleus, at any position: attenuation and visibilities on uv cells."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

from kinematics.grids import SkyGrid
from kinematics.interferometer.uv_cells import Points

__all__ = ["attenuation_at", "point_visibilities"]


def attenuation_at(attenuation: Array, sky: SkyGrid, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> Array:
    """Interpolate an attenuation (y, x) linearly at a sky position [arcsec east, north], shape ()."""
    place = [jnp.asarray(at) / sky.cell_arcsec + sky.npix // 2 for at in (y_arcsec, x_arcsec)]
    return map_coordinates(attenuation, [jnp.reshape(at, 1) for at in place], order=1, mode="nearest")[0]


def point_visibilities(
    points: Points, field_arcsec: float, x_arcsec: ArrayLike, y_arcsec: ArrayLike, flux_jy: Array
) -> Array:
    """Return V = S exp(2 pi i (u x + v y)) of a point source at points of the uv plane.

    Args:
        points: points of the uv plane.
        field_arcsec: side of the image [arcsec], the inverse of a uv cell.
        x_arcsec: offset east of the phase centre [arcsec].
        y_arcsec: offset north of the phase centre [arcsec].
        flux_jy: flux density S [Jy], shape (channel,).

    Returns:
        Real and imaginary part of V [Jy], shape (point, 2, channel).

    """
    npix = points.at.shape[0]
    v, u = jnp.divmod(points.place, npix // 2 + 1)
    v = jnp.where(v > npix // 2, v - npix, v)
    phase = 2 * math.pi / field_arcsec * (u * jnp.asarray(x_arcsec) + v * jnp.asarray(y_arcsec))
    return jnp.stack([jnp.cos(phase), jnp.sin(phase)], axis=1)[:, :, None] * flux_jy
