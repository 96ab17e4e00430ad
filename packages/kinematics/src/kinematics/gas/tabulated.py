"""Gas disc with a tabulated surface-brightness profile, for example measured on a map."""

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
    """Tabulated surface brightness, smoothly interpolated and normalised to unit flux.

    The interpolant is piecewise cubic in R with continuous value and slope (Fritsch & Butland 1984). It is monotone
    where the table is, so it neither overshoots nor turns negative. Within the first radius the brightness is
    constant; beyond the last it is zero. The last value should be zero too: otherwise the disc ends in a step.
    """

    radius_arcsec: ArrayLike
    """Radii [arcsec], ascending from 0 or more, shape (n,), n >= 3."""
    brightness: ArrayLike
    """Surface brightness in any unit, non-negative and not all zero, shape (n,)."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the interpolant [arcsec^-2], divided by its exact integral 2 pi int I R dR."""
        at = jnp.asarray(radius_arcsec)
        knots = jnp.asarray(self.radius_arcsec, at.dtype)
        brightness = jnp.asarray(self.brightness, at.dtype)
        # Scaled to order one, so that any unit is safe in single precision.
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
    """Build a disc from a table.

    Raises:
        ValueError: no table was given.

    """
    if table is None:
        raise ValueError("a tabulated profile needs a table of radii and brightness")
    return TabulatedDisc(*table)


def _monotone_slopes(knots: Array, values: Array) -> Array:
    """Slopes at the knots: a weighted harmonic mean of the chords on either side, 0 at an extremum.

    At the last knot, and at the first unless it is the centre, the slope is 0 to match the constant beyond.
    """
    h = jnp.diff(knots)
    chord = jnp.diff(values) / h
    before, after = chord[:-1], chord[1:]
    weight_before, weight_after = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = before * after > 0
    # The inner `where` keeps the quotient and its gradient finite where the result is not used.
    mean = (weight_before + weight_after) / (
        weight_before / jnp.where(same, before, 1) + weight_after / jnp.where(same, after, 1)
    )
    inner = jnp.where(same, mean, 0)
    return jnp.concatenate([jnp.where(knots[:1] > 0, 0, _central_slope(h, chord)), inner, jnp.zeros_like(h[:1])])


def _central_slope(h: Array, chord: Array) -> Array:
    """Three-point slope at the centre, shape (1,), clipped between 0 and three chords to stay monotone."""
    slope = ((2 * h[0] + h[1]) * chord[0] - h[0] * chord[1]) / (h[0] + h[1])
    return jnp.clip(slope, jnp.minimum(0, 3 * chord[0]), jnp.maximum(0, 3 * chord[0]))[None]
