"""A gas disc whose surface brightness is a table, as measured off a map."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.gas.profiles import PROFILES, Table
from kinematics.registry import Params

__all__ = ["TabulatedDisc"]


class TabulatedDisc(NamedTuple):
    """Surface brightness at some radii, smoothly interpolated, in a unit of your own: it is normalised to unit flux.

    Between the radii runs a cubic in R whose value and slope are continuous (Fritsch & Butland 1984); it is monotone
    where the table is, so that it neither overshoots nor turns negative. Within the first radius the brightness is
    constant; beyond the last it is zero, and so should the last value be, or the disc ends with a step.
    """

    radius_arcsec: ArrayLike
    """Ascending, from 0 or more, shape (n,), n >= 3."""
    brightness: ArrayLike
    """Not negative, and not all zero, shape (n,)."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the interpolant over its integral 2 pi int I R dR, which is exact [arcsec^-2]."""
        at = jnp.asarray(radius_arcsec)
        knots = jnp.asarray(self.radius_arcsec, at.dtype)
        brightness = jnp.asarray(self.brightness, at.dtype)
        # Of order one, so that single precision holds any unit.
        values = brightness / jnp.max(brightness)
        slopes = _monotone_slopes(knots, values)
        last = knots.shape[0] - 2
        i = jnp.clip(jnp.searchsorted(knots, at, side="right") - 1, 0, last)
        # One gather of packed rows is cheaper than six gathers.
        ends = (knots[:-1], jnp.diff(knots), values[:-1], values[1:], slopes[:-1], slopes[1:])
        start, step, v0, v1, d0, d1 = jnp.moveaxis(jnp.stack(ends, axis=-1)[i], -1, 0)
        t = jnp.clip((at - start) / step, 0, 1)
        jump = v1 - v0
        inside = v0 + t * (jump + (1 - t) * ((step * d0 - jump) * (1 - t) + (jump - step * d1) * t))
        return jnp.where(at > knots[-1], 0, inside) / _flux(knots, values, slopes)


def _flux(knots: Array, values: Array, slopes: Array) -> Array:
    """Return 2 pi int_0^R_n I(R) R dR of the interpolant.

    With R = a + h t, the cubic's moments over t from 0 to 1 are int I dt = (v0 + v1) / 2 + h (d0 - d1) / 12 and
    int I t dt = (3 v0 + 7 v1) / 20 + h (2 d0 - 3 d1) / 60.
    """
    a, h = knots[:-1], jnp.diff(knots)
    v0, v1, d0, d1 = values[:-1], values[1:], slopes[:-1], slopes[1:]
    zeroth = (v0 + v1) / 2 + h * (d0 - d1) / 12
    first = (3 * v0 + 7 * v1) / 20 + h * (2 * d0 - 3 * d1) / 60
    core = math.pi * knots[0] ** 2 * values[0]
    return core + 2 * math.pi * jnp.sum(h * (a * zeroth + h * first))


@PROFILES.register("table")
def tabulated(params: Params, table: Table | None = None) -> TabulatedDisc:
    """Disc of a table.

    Raises:
        ValueError: no table is given.

    """
    if table is None:
        raise ValueError("a tabulated profile needs its table")
    return TabulatedDisc(*table)


def _monotone_slopes(knots: Array, values: Array) -> Array:
    """Slopes at the knots: a weighted harmonic mean of the chords on either side, 0 at an extremum.

    At the last knot, and at a first one that is not the centre, the slope is 0, that of the constant beyond.
    """
    h = jnp.diff(knots)
    chord = jnp.diff(values) / h
    before, after = chord[:-1], chord[1:]
    weight_before, weight_after = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = before * after > 0
    # The inner `where` keeps the quotient, and its gradient, finite where it is not taken.
    mean = (weight_before + weight_after) / (
        weight_before / jnp.where(same, before, 1) + weight_after / jnp.where(same, after, 1)
    )
    inner = jnp.where(same, mean, 0)
    return jnp.concatenate([jnp.where(knots[:1] > 0, 0, _central_slope(h, chord)), inner, jnp.zeros_like(h[:1])])


def _central_slope(h: Array, chord: Array) -> Array:
    """Three-point slope at the centre, shape (1,), held between 0 and three times the chord: still monotone."""
    slope = ((2 * h[0] + h[1]) * chord[0] - h[0] * chord[1]) / (h[0] + h[1])
    return jnp.clip(slope, jnp.minimum(0, 3 * chord[0]), jnp.maximum(0, 3 * chord[0]))[None]
