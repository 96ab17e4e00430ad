"""Orientation of a disc on the sky, deprojection and line-of-sight velocity."""

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
    """Inclination [rad], 0 for face-on."""
    pa_rad: ArrayLike
    """Position angle [rad], north through east to the receding half of the major axis."""
    x0_arcsec: ArrayLike
    """Offset of the centre east of the phase centre [arcsec]."""
    y0_arcsec: ArrayLike
    """Offset of the centre north of the phase centre [arcsec]."""
    vsys_kms: ArrayLike
    """Systemic velocity [km/s], radio definition: the centre is observed at f_rest (1 - v_sys / c)."""
    warp: Warp | None = None
    """Change of inclination and position angle with radius; None for a flat disc."""


class DiscPlane(NamedTuple):
    """Sky positions in the plane of the disc or, for a warped disc, of the ring that passes through them."""

    major: Array
    """Coordinate along the receding major axis [arcsec]."""
    minor: Array
    """Deprojected coordinate along the minor axis [arcsec]."""
    sin_i: Array
    """Sine of the inclination."""
    cos_i: Array
    """Cosine of the inclination."""
    flux_factor: Array
    """Ratio of observed to face-on surface brightness, |dA_disc / dA_sky|: 1 / cos i for a flat disc."""


def disc_coordinates(geometry: Geometry, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> tuple[Array, Array]:
    """Deproject sky positions into the plane of a flat disc; any warp is ignored.

    Args:
        geometry: orientation and centre.
        x_arcsec: positions east of the phase centre [arcsec], shape (...,).
        y_arcsec: positions north [arcsec]; broadcast against `x_arcsec`.

    Returns:
        Deprojected coordinates [arcsec] along the receding major axis and the minor axis, of the broadcast shape.

    """
    dx = jnp.asarray(x_arcsec) - geometry.x0_arcsec
    dy = jnp.asarray(y_arcsec) - geometry.y0_arcsec
    sin_pa, cos_pa = jnp.sin(geometry.pa_rad), jnp.cos(geometry.pa_rad)
    major = dx * sin_pa + dy * cos_pa
    minor = (dy * sin_pa - dx * cos_pa) / jnp.cos(geometry.inclination_rad)
    return major, minor


def disc_plane(geometry: Geometry, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> DiscPlane:
    """Deproject sky positions into the plane of the disc or, for a warped disc, of the ring through them.

    A warped disc consists of concentric tilted rings (Rogstad, Lockhart & Wright 1974). `ring_through` gives the
    limit on the strength of a warp; beyond it `flux_factor` is NaN everywhere.

    Args:
        geometry: orientation and centre.
        x_arcsec: positions east of the phase centre [arcsec], shape (...,).
        y_arcsec: positions north [arcsec]; broadcast against `x_arcsec`.

    Returns:
        Coordinates in the disc plane, of the broadcast shape. Without a warp the other fields are scalars.

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
    """Project circular rotation on the line of sight: v sin i cos(azimuth) in the galaxy's frame.

    Args:
        plane: positions in the disc plane, shape (...,).
        radius_arcsec: radii R of the positions [arcsec], positive, shape (...,).
        speed_kms: circular velocity v at R [km/s], shape (...,).

    Returns:
        Line-of-sight velocity [km/s], shape (...,); receding is positive.

    """
    return plane.sin_i * speed_kms * plane.major / radius_arcsec
