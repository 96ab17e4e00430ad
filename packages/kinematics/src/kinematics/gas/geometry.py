"""Where a disc lies on the sky and how fast it moves there."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.gas.warp import Warp, ring_through

__all__ = ["DiscPlane", "Geometry", "disc_coordinates", "disc_plane", "line_of_sight_velocity"]


class Geometry(NamedTuple):
    """Orientation and centre of a disc."""

    inclination_rad: ArrayLike
    """0 is face-on."""
    pa_rad: ArrayLike
    """Position angle, north through east to the receding half of the major axis."""
    x0_arcsec: ArrayLike
    """Centre east of the phase centre."""
    y0_arcsec: ArrayLike
    """Centre north of the phase centre."""
    vsys_kms: ArrayLike
    """Systemic velocity, radio definition: the disc's centre is seen at f_rest (1 - v_sys / c)."""
    warp: Warp | None = None
    """Change of inclination and position angle with radius; None for a flat disc."""


class DiscPlane(NamedTuple):
    """Points of the sky in the plane of the disc, or of a warped disc in that of the ring on which they lie."""

    major: Array
    """Along the receding major axis [arcsec]."""
    minor: Array
    """Along the minor axis, deprojected [arcsec]."""
    sin_i: Array
    cos_i: Array
    flux_factor: Array
    """Sky brightness over face-on brightness, |dA_disc / dA_sky|: 1 / cos i for a flat disc."""


def disc_coordinates(geometry: Geometry, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> tuple[Array, Array]:
    """Deproject sky positions (x east, y north) into the plane of a flat disc; a warp is left aside.

    Returns:
        Coordinates along the receding major axis and along the minor axis [arcsec], deprojected; shape of `x`.

    """
    dx = jnp.asarray(x_arcsec) - geometry.x0_arcsec
    dy = jnp.asarray(y_arcsec) - geometry.y0_arcsec
    sin_pa, cos_pa = jnp.sin(geometry.pa_rad), jnp.cos(geometry.pa_rad)
    major = dx * sin_pa + dy * cos_pa
    minor = (dy * sin_pa - dx * cos_pa) / jnp.cos(geometry.inclination_rad)
    return major, minor


def disc_plane(geometry: Geometry, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> DiscPlane:
    """Deproject sky positions (x east, y north) into the plane of the disc, or of the ring that they lie on.

    A warped disc is made of tilted rings about one centre (Rogstad, Lockhart & Wright 1974). For how strong a warp
    may be see `ring_through`: where it is too strong everything is NaN.

    Args:
        geometry: orientation and centre.
        x_arcsec: positions to the east of the phase centre, shape (...,).
        y_arcsec: positions to the north, of a shape that broadcasts with that of `x_arcsec`.

    Returns:
        The plane's coordinates, of the broadcast shape. Without a warp the angles are scalars.

    """
    if geometry.warp is None:
        major, minor = disc_coordinates(geometry, x_arcsec, y_arcsec)
        sin_i, cos_i = jnp.sin(geometry.inclination_rad), jnp.cos(geometry.inclination_rad)
        return DiscPlane(major, minor, sin_i, cos_i, 1 / cos_i)
    dx = jnp.asarray(x_arcsec) - geometry.x0_arcsec
    dy = jnp.asarray(y_arcsec) - geometry.y0_arcsec
    ring = ring_through(geometry.warp, geometry.inclination_rad, geometry.pa_rad, *jnp.broadcast_arrays(dx, dy))
    cos_i = jnp.cos(ring.inclination_rad)
    return DiscPlane(ring.major, ring.minor, jnp.sin(ring.inclination_rad), cos_i, ring.stretch / cos_i)


def line_of_sight_velocity(plane: DiscPlane, radius_arcsec: Array, speed_kms: Array) -> Array:
    """Velocity of circular rotation along the line of sight [km/s], v sin i cos(azimuth), in the galaxy's frame.

    Args:
        plane: where, shape (...,).
        radius_arcsec: R there, positive, shape (...,).
        speed_kms: circular velocity v at R, shape (...,).

    """
    return plane.sin_i * speed_kms * plane.major / radius_arcsec
