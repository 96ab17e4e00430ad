"""Gas disc with a Sersic profile: Gaussian (n = 1/2), exponential (n = 1) or cuspy (n > 1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln
from jax.typing import ArrayLike

from kinematics.gas.profiles import PROFILES, Table
from kinematics.registry import Params

__all__ = ["SersicDisc"]

INNERMOST = 1e-12
"""Radius, in scale lengths, below which the profile is constant: a power of 0 has no derivative."""


class SersicDisc(NamedTuple):
    """Sersic disc, I(R) ~ exp[-(R / h)^(1/n)] (Sersic 1968)."""

    scale_arcsec: ArrayLike
    """Scale length h [arcsec]."""
    sersic_index: ArrayLike
    """Sersic index n."""

    def surface_brightness(self, radius_arcsec: Array) -> Array:
        """Return the profile [arcsec^-2], divided by its integral over the plane, 2 pi n h^2 Gamma(2n)."""
        h, n = jnp.asarray(self.scale_arcsec), jnp.asarray(self.sersic_index)
        x = jnp.maximum(radius_arcsec / h, INNERMOST)
        return jnp.exp(-(x ** (1 / n)) - gammaln(2 * n)) / (2 * math.pi * n * h**2)


@PROFILES.register("sersic")
def sersic(params: Params, table: Table | None = None) -> SersicDisc:
    """Build a Sersic disc from sersic_scale_arcsec and sersic_index."""
    return SersicDisc(params["sersic_scale_arcsec"], params["sersic_index"])
