"""Warped disc: tilted rings whose inclination and position angle change with radius."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import stop_gradient
from jax.typing import ArrayLike

__all__ = ["Ring", "Warp", "crowding", "ring_through"]

# Five steps reach double precision in moderate warps, six where rings nearly cross.
N_STEPS = 7
N_RADII = 65


class Warp(NamedTuple):
    """Linear change of inclination and position angle with radius, out to an outer radius."""

    pa_rad_per_arcsec: ArrayLike
    """Gradient of the position angle (twist) [rad/arcsec]."""
    inclination_rad_per_arcsec: ArrayLike
    """Gradient of the inclination (tilt) [rad/arcsec]."""
    reference_arcsec: ArrayLike
    """Radius [arcsec] at which the disc has the inclination and position angle of its `Geometry`."""
    outer_arcsec: ArrayLike
    """Radius [arcsec] beyond which both angles are constant."""


class Ring(NamedTuple):
    """Rings through given sky positions; all fields have the shape of the positions."""

    major: Array
    """Coordinate of the point along the receding major axis of its ring [arcsec]."""
    minor: Array
    """Deprojected coordinate along the minor axis [arcsec]."""
    inclination_rad: Array
    """Inclination of the ring [rad]."""
    stretch: Array
    """Crowding of neighbouring rings on the sky relative to a flat disc, 1 / (1 - d rho / dR)."""


def crowding(warp: Warp, inclination_rad: ArrayLike) -> Array:
    """Return the largest d rho / dR of a warped disc (see `ring_through`): rings begin to cross on the sky at 1.

    On the ring of radius R and inclination i it is R tan(i) [tilt + sqrt(tilt^2 + twist^2 sin^2 i)] / 2. For a pure
    twist this is |twist| R (1 / q - q) / 2, q = cos i, and for a pure tilt R tan(i) tilt. The result is infinite if
    the inclination reaches 90 deg within `outer_arcsec`.

    Args:
        warp: change of the angles with radius, scalars.
        inclination_rad: inclination at the reference radius [rad].

    Returns:
        Largest d rho / dR, shape ().
    """
    radius = jnp.asarray(warp.outer_arcsec) * np.linspace(0, 1, N_RADII)
    i = inclination_rad + warp.inclination_rad_per_arcsec * (radius - warp.reference_arcsec)
    tilt, sin_i = warp.inclination_rad_per_arcsec, jnp.sin(i)
    both = jnp.hypot(tilt, warp.pa_rad_per_arcsec * sin_i)
    share = 0.5 * radius * (jnp.tan(i) * tilt + jnp.abs(jnp.tan(i)) * both)
    return jnp.max(jnp.where(jnp.cos(i) > 0, share, jnp.inf))


def ring_through(
    warp: Warp, inclination_rad: ArrayLike, pa_rad: ArrayLike, dx_arcsec: Array, dy_arcsec: Array
) -> Ring:
    """Find the ring through each point of the sky.

    Let rho(R) be the radius of a point measured in the plane of ring R. The point lies on the ring with R = rho(R).
    Rings crowd where rho depends on R: the map from a ring's (R, azimuth) to the sky has the Jacobian
    R cos(i) (1 - d rho / dR). A fixed number of bracketed Newton steps finds R. One further step, the only one that
    is differentiated, gives the first derivatives of the implicit function R.

    Exactly one ring passes through every point as long as `crowding` is below 1. A stronger warp makes the disc
    overlap itself on the sky, where velocity and brightness are no longer single-valued: `stretch`, and hence the
    model, is then NaN everywhere.

    Args:
        warp: change of the angles with radius.
        inclination_rad: inclination at the warp's reference radius [rad].
        pa_rad: position angle at the warp's reference radius [rad].
        dx_arcsec: offsets east of the centre [arcsec], shape (...,).
        dy_arcsec: offsets north of the centre [arcsec], shape (...,).

    Returns:
        Ring through each point, each field of shape (...,).

    """
    dtype = dx_arcsec.dtype
    rings = _Rings(
        Warp(*(jnp.asarray(a, dtype) for a in warp)),
        jnp.asarray(inclination_rad, dtype),
        jnp.asarray(pa_rad, dtype),
        dx_arcsec,
        dy_arcsec,
    )
    radius = _radius(stop_gradient(rings))
    ring, rho = _plane_of(rings, radius)
    ring, _ = _plane_of(rings, radius - (radius - rho) * stop_gradient(ring.stretch))
    folded = crowding(rings.warp, rings.inclination_rad) >= 1
    return ring._replace(stretch=jnp.where(folded, jnp.nan, ring.stretch))


class _Rings(NamedTuple):
    """All rings of a disc and the sky positions to locate on them."""

    warp: Warp
    inclination_rad: Array
    pa_rad: Array
    dx_arcsec: Array
    dy_arcsec: Array


def _plane_of(rings: _Rings, radius: Array) -> tuple[Ring, Array]:
    """Return the ring at each radius and the radius rho of the points measured in its plane."""
    (twist_rate, tilt_rate, reference, outer), inclination, pa, dx, dy = rings
    offset = jnp.minimum(radius, outer) - reference
    i, angle = inclination + tilt_rate * offset, pa + twist_rate * offset
    sin_pa, cos_pa, sin_i, cos_i = jnp.sin(angle), jnp.cos(angle), jnp.sin(i), jnp.cos(i)
    major = dx * sin_pa + dy * cos_pa
    minor = (dy * sin_pa - dx * cos_pa) / cos_i
    squared = major**2 + minor**2
    # At the centre the direction is undefined; the limit is 0, with zero derivative.
    inverse = jnp.where(squared > 0, jax.lax.rsqrt(jnp.where(squared > 0, squared, 1)), 0)
    twist, tilt = (jnp.where(radius < outer, rate, 0) for rate in (twist_rate, tilt_rate))
    change = sin_i / cos_i * (twist * sin_i * major * minor + tilt * minor**2) * inverse
    return Ring(major, minor, i, 1 / (1 - change)), squared * inverse


def _radius(rings: _Rings) -> Array:
    """Solve R = rho(R) for every point."""

    def step(_: int, bracket: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        radius, low, high = bracket
        ring, rho = _plane_of(rings, radius)
        low, high = jnp.where(radius < rho, radius, low), jnp.where(radius < rho, high, radius)
        newton = radius - (radius - rho) * ring.stretch
        # Once the bracket has closed, the solution may lie a rounding error outside it.
        slack = 16 * jnp.finfo(radius.dtype).eps * radius
        kept = (newton >= low - slack) & (newton <= high + slack)
        return jnp.where(kept, newton, (low + high) / 2), low, high

    # Beyond `outer_arcsec` all rings share one plane. Within, a point has its smallest radius in a face-on ring.
    outer = jnp.asarray(rings.warp.outer_arcsec)
    beyond = _plane_of(rings, outer)[1]
    low = jnp.minimum(jnp.hypot(rings.dx_arcsec, rings.dy_arcsec), outer)
    within = jax.lax.fori_loop(0, N_STEPS, step, (low, low, jnp.broadcast_to(outer, low.shape)))[0]
    return jnp.where(beyond < outer, within, beyond)
