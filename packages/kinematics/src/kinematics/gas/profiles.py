"""Surface-brightness profiles of thin gas discs.

A new profile is a class with `surface_brightness` and a function that builds it from the galaxy's parameters and is
registered in `PROFILES` under the keyword used in the galaxy file. Every profile is face-on, axisymmetric and
normalised to a total flux of one, so its unit is arcsec^-2.
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

# Both formulas for the flux outside the hole are accurate to ten digits here.
SMALL_HOLE = 2.0
N_LAGUERRE = 32


class Disc(Protocol):
    """Interface of a surface-brightness profile."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the face-on surface brightness [arcsec^-2] for unit flux, shape of `radius_arcsec`."""
        ...


PROFILES: Registry[Callable[[Params, Table | None], Disc]] = Registry("disc profile")
"""Builders of profiles by kind; each takes the parameters and, for a tabulated profile, its table."""


class ExponentialDisc(NamedTuple):
    """Exponential disc, I(R) ~ exp(-R / h)."""

    scale_arcsec: ArrayLike
    """Scale length h [arcsec]."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return exp(-R / h) / (2 pi h^2) [arcsec^-2], shape of `radius_arcsec`."""
        h = jnp.asarray(self.scale_arcsec)
        return jnp.exp(-radius_arcsec / h) / (2 * math.pi * h**2)


@PROFILES.register("exponential")
def exponential(params: Params, table: Table | None = None) -> ExponentialDisc:
    """Build an exponential disc from disc_scale_arcsec."""
    return ExponentialDisc(params["disc_scale_arcsec"])


class HoledDisc(NamedTuple):
    """Exponential disc depleted within a central hole, I(R) ~ exp(-R / h) [1 - exp(-R^2 / R_h^2)]."""

    scale_arcsec: ArrayLike
    """Scale length h [arcsec]."""
    hole_radius_arcsec: ArrayLike
    """Radius R_h of the hole [arcsec]."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile [arcsec^-2], divided by 2 pi h^2 F(R_h / 2h), F the flux fraction left by the hole."""
        h, hole = jnp.asarray(self.scale_arcsec), jnp.asarray(self.hole_radius_arcsec)
        shape = jnp.exp(-radius_arcsec / h) * -jnp.expm1(-((radius_arcsec / hole) ** 2))
        return shape / (2 * math.pi * h**2 * _share_outside_hole(hole / (2 * h)))


@PROFILES.register("exponential_hole")
def exponential_hole(params: Params, table: Table | None = None) -> HoledDisc:
    """Build a holed disc from disc_scale_arcsec and hole_radius_arcsec."""
    return HoledDisc(params["disc_scale_arcsec"], params["hole_radius_arcsec"])


class RingDisc(NamedTuple):
    """Gaussian ring, I(R) ~ exp(-(R - R_0)^2 / 2 w^2)."""

    radius_arcsec: ArrayLike
    """Radius R_0 [arcsec]."""
    width_arcsec: ArrayLike
    """Gaussian width w [arcsec]."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile [arcsec^-2], normalised by its integral.

        The integral is 2 pi [w^2 exp(-a^2) + R_0 w sqrt(pi/2) (1 + erf a)], a = R_0 / (w sqrt 2).
        """
        r0, w = jnp.asarray(self.radius_arcsec), jnp.asarray(self.width_arcsec)
        a = r0 / (w * math.sqrt(2))
        area = w**2 * jnp.exp(-(a**2)) + r0 * w * math.sqrt(math.pi / 2) * (1 + erf(a))
        return jnp.exp(-0.5 * ((radius_arcsec - r0) / w) ** 2) / (2 * math.pi * area)


@PROFILES.register("ring")
def ring(params: Params, table: Table | None = None) -> RingDisc:
    """Build a ring from ring_radius_arcsec and ring_width_arcsec."""
    return RingDisc(params["ring_radius_arcsec"], params["ring_width_arcsec"])


def _share_outside_hole(k: Array) -> Array:
    """Return F(k) = int_0^inf x exp(-x) [1 - exp(-x^2 / 4k^2)] dx = 1 - 2 k^2 [1 - sqrt(pi) k exp(k^2) erfc(k)].

    The closed form loses all precision to cancellation for wide holes, F ~ 3 / 2k^2; there the integral is evaluated
    by Gauss-Laguerre quadrature.
    """
    small = jnp.minimum(k, SMALL_HOLE)
    closed = 1 - 2 * small**2 * (1 - math.sqrt(math.pi) * small * jnp.exp(small**2) * erfc(small))
    wide = jnp.maximum(k, SMALL_HOLE)[..., None]
    x, weight = (jnp.asarray(a, wide.dtype) for a in np.polynomial.laguerre.laggauss(N_LAGUERRE))
    integral = jnp.sum(weight * x * -jnp.expm1(-((x / (2 * wide)) ** 2)), axis=-1)
    return jnp.where(k < SMALL_HOLE, closed, integral)
