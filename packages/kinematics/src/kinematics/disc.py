"""Surface-brightness profiles of thin gas discs. A new one is one class with `surface_brightness`.

Every profile is face-on, axisymmetric and normalised to a total flux of one, so that its unit is arcsec^-2.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import erf, erfc
from jax.typing import ArrayLike

__all__ = ["Disc", "ExponentialDisc", "HoledDisc", "RingDisc"]


class Disc(Protocol):
    """What the renderer asks of a disc."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the face-on surface brightness [arcsec^-2] for unit flux, shape of `radius_arcsec`."""
        ...


class ExponentialDisc(NamedTuple):
    """I(R) ~ exp(-R / h)."""

    scale_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return exp(-R / h) / (2 pi h^2)."""
        h = jnp.asarray(self.scale_arcsec)
        return jnp.exp(-radius_arcsec / h) / (2 * np.pi * h**2)


class HoledDisc(NamedTuple):
    """I(R) ~ exp(-R / h) [1 - exp(-R^2 / R_h^2)]: exponential outside, depleted within the hole radius."""

    scale_arcsec: ArrayLike
    hole_radius_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile over 2 pi (h^2 - J), J = int_0^inf exp(-R / h - R^2 / R_h^2) R dR in closed form."""
        h, hole = jnp.asarray(self.scale_arcsec), jnp.asarray(self.hole_radius_arcsec)
        # J = (R_h^2 / 2) [1 - sqrt(pi) k exp(k^2) erfc(k)], k = R_h / 2h.
        missing = hole**2 / 2 * _one_minus_scaled_erfc(hole / (2 * h))
        shape = jnp.exp(-radius_arcsec / h) * -jnp.expm1(-((radius_arcsec / hole) ** 2))
        return shape / (2 * np.pi * (h**2 - missing))


class RingDisc(NamedTuple):
    """I(R) ~ exp(-(R - R_0)^2 / 2 w^2)."""

    radius_arcsec: ArrayLike
    width_arcsec: ArrayLike

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile over 2 pi [w^2 exp(-a^2) + R_0 w sqrt(pi/2) (1 + erf a)], a = R_0 / (w sqrt 2)."""
        r0, w = jnp.asarray(self.radius_arcsec), jnp.asarray(self.width_arcsec)
        a = r0 / (w * np.sqrt(2))
        area = w**2 * jnp.exp(-(a**2)) + r0 * w * np.sqrt(np.pi / 2) * (1 + erf(a))
        return jnp.exp(-0.5 * ((radius_arcsec - r0) / w) ** 2) / (2 * np.pi * area)


def _one_minus_scaled_erfc(k: Array) -> Array:
    """1 - sqrt(pi) k exp(k^2) erfc(k); for large k by its asymptotic series, where exp(k^2) overflows."""
    small = jnp.minimum(k, 4.0)
    direct = 1 - np.sqrt(np.pi) * small * jnp.exp(small**2) * erfc(small)
    inverse = 1 / (2 * jnp.maximum(k, 4.0) ** 2)
    series = inverse * (1 - 3 * inverse * (1 - 5 * inverse * (1 - 7 * inverse * (1 - 9 * inverse))))
    return jnp.where(k < 4.0, direct, series)
