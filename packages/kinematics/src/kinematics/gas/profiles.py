"""Surface-brightness profiles of thin gas discs.

A new one is a class with `surface_brightness` and the function that builds it from a galaxy's parameters,
registered in `PROFILES` under the word that chooses it in a galaxy file. Every profile is face-on, axisymmetric and
normalised to a total flux of one, so that its unit is arcsec^-2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import erf, erfc
from jax.typing import ArrayLike

from kinematics.registry import Params, Registry

__all__ = ["PROFILES", "Disc", "ExponentialDisc", "HoledDisc", "RingDisc", "Table"]

Table = tuple[ArrayLike, ArrayLike]
"""Radii [arcsec] and brightness of a tabulated profile, each of shape (n,)."""

# Where both ways to the hole's share hold ten digits.
SMALL_HOLE = 2.0
N_LAGUERRE = 32


class Disc(Protocol):
    """What the renderer asks of a disc."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the face-on surface brightness [arcsec^-2] for unit flux, shape of `radius_arcsec`."""
        ...


PROFILES: Registry[Callable[[Params, Table | None], Disc]] = Registry("disc profile")
"""Kind -> function of parameters, and of the table of a tabulated profile, that builds the disc."""


class ExponentialDisc(NamedTuple):
    """I(R) ~ exp(-R / h)."""

    scale_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return exp(-R / h) / (2 pi h^2)."""
        h = jnp.asarray(self.scale_arcsec)
        return jnp.exp(-radius_arcsec / h) / (2 * math.pi * h**2)


@PROFILES.register("exponential")
def exponential(params: Params, table: Table | None = None) -> ExponentialDisc:
    """Exponential disc of disc_scale_arcsec."""
    return ExponentialDisc(params["disc_scale_arcsec"])


class HoledDisc(NamedTuple):
    """I(R) ~ exp(-R / h) [1 - exp(-R^2 / R_h^2)]: exponential outside, depleted within the hole radius."""

    scale_arcsec: ArrayLike
    hole_radius_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile over 2 pi h^2 F(R_h / 2h), F the share of the flux that the hole leaves."""
        h, hole = jnp.asarray(self.scale_arcsec), jnp.asarray(self.hole_radius_arcsec)
        shape = jnp.exp(-radius_arcsec / h) * -jnp.expm1(-((radius_arcsec / hole) ** 2))
        return shape / (2 * math.pi * h**2 * _share_outside_hole(hole / (2 * h)))


@PROFILES.register("exponential_hole")
def exponential_hole(params: Params, table: Table | None = None) -> HoledDisc:
    """Disc of disc_scale_arcsec with a hole of hole_radius_arcsec."""
    return HoledDisc(params["disc_scale_arcsec"], params["hole_radius_arcsec"])


class RingDisc(NamedTuple):
    """I(R) ~ exp(-(R - R_0)^2 / 2 w^2)."""

    radius_arcsec: ArrayLike
    width_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile over 2 pi [w^2 exp(-a^2) + R_0 w sqrt(pi/2) (1 + erf a)], a = R_0 / (w sqrt 2)."""
        r0, w = jnp.asarray(self.radius_arcsec), jnp.asarray(self.width_arcsec)
        a = r0 / (w * math.sqrt(2))
        area = w**2 * jnp.exp(-(a**2)) + r0 * w * math.sqrt(math.pi / 2) * (1 + erf(a))
        return jnp.exp(-0.5 * ((radius_arcsec - r0) / w) ** 2) / (2 * math.pi * area)


@PROFILES.register("ring")
def ring(params: Params, table: Table | None = None) -> RingDisc:
    """Ring of ring_radius_arcsec and ring_width_arcsec."""
    return RingDisc(params["ring_radius_arcsec"], params["ring_width_arcsec"])


def _share_outside_hole(k: Array) -> Array:
    """Return F(k) = int_0^inf x exp(-x) [1 - exp(-x^2 / 4k^2)] dx = 1 - 2 k^2 [1 - sqrt(pi) k exp(k^2) erfc(k)].

    The closed form cancels to nothing in wide holes, F ~ 3 / 2k^2; there Gauss-Laguerre nodes do the integral.
    """
    small = jnp.minimum(k, SMALL_HOLE)
    closed = 1 - 2 * small**2 * (1 - math.sqrt(math.pi) * small * jnp.exp(small**2) * erfc(small))
    wide = jnp.maximum(k, SMALL_HOLE)[..., None]
    x, weight = (jnp.asarray(a, wide.dtype) for a in np.polynomial.laguerre.laggauss(N_LAGUERRE))
    integral = jnp.sum(weight * x * -jnp.expm1(-((x / (2 * wide)) ** 2)), axis=-1)
    return jnp.where(k < SMALL_HOLE, closed, integral)
