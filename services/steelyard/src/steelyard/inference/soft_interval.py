"""A map from the real line to an interval that is the identity inside, and bends within a width of its ends.

A probit or logit squeezes the whole interval; here a coordinate that the data hold well keeps its scale until near
an end, and a chain never runs into a wall.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["OpenRange", "SoftInterval"]


class SoftInterval(NamedTuple):
    """low + w [softplus((u - low) / w) - softplus((u - high) / w)], both ends finite."""

    low: ArrayLike
    high: ArrayLike
    width: ArrayLike

    def forward(self, u: Array) -> Array:
        """Value in (low, high) for any u."""
        low, high, width = map(jnp.asarray, self)
        above_low, above_high = ((u - end) / width for end in (low, high))
        inside = low + width * (jax.nn.softplus(above_low) - jax.nn.softplus(above_high))
        return jnp.clip(inside, low, high)  # rounding may leave the interval

    def inverse(self, value: ArrayLike) -> Array:
        """The u of a value; one at an end is moved inside by a millionth of the width."""
        value = jnp.asarray(value)
        low, high, width = map(jnp.asarray, self)
        span = (high - low) / width
        t = jnp.clip((value - low) / width, 1e-6, span - 1e-6)
        return low + width * (t + jnp.log(-jnp.expm1(-t)) - jnp.log(-jnp.expm1(t - span)))

    def log_slope(self, u: Array) -> Array:
        """log of d forward / du."""
        low, high, width = map(jnp.asarray, self)
        above_low, above_high = ((u - end) / width for end in (low, high))
        overlap = jnp.log1p(-jnp.exp((low - high) / width))
        return jax.nn.log_sigmoid(above_low) + jax.nn.log_sigmoid(-above_high) + overlap


class OpenRange(NamedTuple):
    """In place of a `SoftInterval` where a range has an open end: the identity."""

    def forward(self, u: Array) -> Array:
        """Return u."""
        return u

    def inverse(self, value: ArrayLike) -> Array:
        """Return the value."""
        return jnp.asarray(value)

    def log_slope(self, u: Array) -> Array:
        """Return zero."""
        return jnp.zeros_like(u)
