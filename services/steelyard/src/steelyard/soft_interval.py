"""A map from the real line to an interval that is the identity inside, and bends within a width of its ends.

A probit or logit squeezes the whole interval; here a coordinate that the data hold well keeps its scale until near
an end, and a chain never runs into a wall.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["SoftInterval"]


class SoftInterval(NamedTuple):
    """low + w [softplus((u - low) / w) - softplus((u - high) / w)]; the identity where an end is infinite."""

    low: float
    high: float
    width: float

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def forward(self, u: Array) -> Array:
        """Value in (low, high) for any u."""
        if not self.is_bounded:
            return u
        above_low, above_high = ((u - end) / self.width for end in (self.low, self.high))
        inside = self.low + self.width * (jax.nn.softplus(above_low) - jax.nn.softplus(above_high))
        return jnp.clip(inside, self.low, self.high)  # rounding may leave the interval

    def inverse(self, value: ArrayLike) -> Array:
        """The u of a value; one at an end is moved inside by a millionth of the width."""
        value = jnp.asarray(value)
        if not self.is_bounded:
            return value
        span = (self.high - self.low) / self.width
        t = jnp.clip((value - self.low) / self.width, 1e-6, span - 1e-6)
        return self.low + self.width * (t + jnp.log(-jnp.expm1(-t)) - jnp.log(-jnp.expm1(t - span)))

    def log_slope(self, u: Array) -> Array:
        """log of d forward / du."""
        if not self.is_bounded:
            return jnp.zeros_like(u)
        above_low, above_high = ((u - end) / self.width for end in (self.low, self.high))
        overlap = math.log1p(-math.exp(-(self.high - self.low) / self.width))
        return jax.nn.log_sigmoid(above_low) + jax.nn.log_sigmoid(-above_high) + overlap
