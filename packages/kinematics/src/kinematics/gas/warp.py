"""Warped discs: tilted rings whose inclination and position angle change with radius."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import stop_gradient
from jax.typing import ArrayLike

__all__ = ["Ring", "Warp", "crowding", "ring_through"]

# Five reach double precision in moderate warps, six where rings nearly cross.
N_STEPS = 7
N_RADII = 65


class Warp(NamedTuple):
    """Inclination and position angle linear in radius, out to where the disc ends."""

    pa_rad_per_arcsec: ArrayLike
    inclination_rad_per_arcsec: ArrayLike
    reference_arcsec: ArrayLike
    """Radius at which the disc has the inclination and position angle of its `Geometry`."""
    outer_arcsec: ArrayLike
    """Radius beyond which they stay as they are there."""


class Ring(NamedTuple):
    """The ring through each of some points of the sky; all fields have the points' shape."""

    major: Array
    """Of the point, along the ring's receding major axis [arcsec]."""
    minor: Array
    """Along its minor axis, deprojected [arcsec]."""
    inclination_rad: Array
    stretch: Array
    """How much closer neighbouring rings lie on the sky than those of a flat disc, 1 / (1 - d rho / dR)."""


def crowding(warp: Warp, inclination_rad: ArrayLike) -> Array:
    """Return the largest d rho / dR of a warped disc (see `ring_through`): at 1 its rings begin to cross on the sky.

    On the ring R of inclination i it is R tan(i) [tilt + sqrt(tilt^2 + twist^2 sin^2 i)] / 2, so that
    |twist| R (1 / q - q) / 2 of a twist alone, q = cos i, and R tan(i) tilt of a tilt alone. Infinite where an
    inclination within `outer_arcsec` reaches 90 deg.
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

    Let rho(R) be the radius that a point has in the plane of the ring R. The point lies on the ring with R = rho(R).
    Rings crowd where rho depends on R: the map from a ring's (R, azimuth) to the sky has the Jacobian
    R cos(i) (1 - d rho / dR). A fixed number of Newton steps, kept within a bracket, finds R; one more, the only one
    that is differentiated, gives R the first derivatives of an implicit function.

    One ring goes through every point as long as `crowding` is below 1. In a stronger warp the disc overlaps itself on
    the sky, and what one looks through more than once has no one velocity and brightness: `stretch`, and with it the
    model, is then NaN everywhere.

    Args:
        warp: change of the angles with radius.
        inclination_rad: at the warp's reference radius.
        pa_rad: at the warp's reference radius.
        dx_arcsec: offsets east of the centre, shape (...,).
        dy_arcsec: offsets north of the centre, shape (...,).

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
    """All rings of a disc, and the points of the sky to be found on them."""

    warp: Warp
    inclination_rad: Array
    pa_rad: Array
    dx_arcsec: Array
    dy_arcsec: Array


def _plane_of(rings: _Rings, radius: Array) -> tuple[Ring, Array]:
    """Return the plane of the ring at a radius, and the points' own radius rho in it."""
    (twist_rate, tilt_rate, reference, outer), inclination, pa, dx, dy = rings
    offset = jnp.minimum(radius, outer) - reference
    i, angle = inclination + tilt_rate * offset, pa + twist_rate * offset
    sin_pa, cos_pa, sin_i, cos_i = jnp.sin(angle), jnp.cos(angle), jnp.sin(i), jnp.cos(i)
    major = dx * sin_pa + dy * cos_pa
    minor = (dy * sin_pa - dx * cos_pa) / cos_i
    squared = major**2 + minor**2
    # On the centre itself rho has no direction; 0, and with no derivative, is where it tends to.
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
        # The solution itself may lie a rounding error outside of a bracket that has closed in on it.
        slack = 16 * jnp.finfo(radius.dtype).eps * radius
        kept = (newton >= low - slack) & (newton <= high + slack)
        return jnp.where(kept, newton, (low + high) / 2), low, high

    # Beyond `outer_arcsec` the plane is one and the same. Within, a point's radius is least in a face-on ring.
    outer = jnp.asarray(rings.warp.outer_arcsec)
    beyond = _plane_of(rings, outer)[1]
    low = jnp.minimum(jnp.hypot(rings.dx_arcsec, rings.dy_arcsec), outer)
    within = jax.lax.fori_loop(0, N_STEPS, step, (low, low, jnp.broadcast_to(outer, low.shape)))[0]
    return jnp.where(beyond < outer, within, beyond)
