"""Map from the real line to an interval: the identity inside, compressed within a width of its ends.

A probit or logit compresses the whole interval. Here a well-constrained coordinate keeps its scale until close to an
end, and a chain never hits a boundary.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["OpenRange", "SoftInterval"]


class SoftInterval(NamedTuple):
    """Soft interval low + w [softplus((u - low) / w) - softplus((u - high) / w)] with finite ends."""

    low: ArrayLike
    """Lower end."""
    high: ArrayLike
    """Upper end."""
    width: ArrayLike
    """Width w of the compressed zone at either end."""

    def forward(self, u: Array) -> Array:
        """Map any u to a value in (low, high), same shape."""
        low, high, width = map(jnp.asarray, self)
        above_low, above_high = ((u - end) / width for end in (low, high))
        inside = low + width * (jax.nn.softplus(above_low) - jax.nn.softplus(above_high))
        return jnp.clip(inside, low, high)  # rounding may exceed the interval

    def inverse(self, value: ArrayLike) -> Array:
        """Map a value to u; a value at an end is first moved inside by a millionth of the width."""
        value = jnp.asarray(value)
        low, high, width = map(jnp.asarray, self)
        span = (high - low) / width
        t = jnp.clip((value - low) / width, 1e-6, span - 1e-6)
        return low + width * (t + jnp.log(-jnp.expm1(-t)) - jnp.log(-jnp.expm1(t - span)))

    def log_slope(self, u: Array) -> Array:
        """Return log(d forward / du), shape of `u`."""
        low, high, width = map(jnp.asarray, self)
        above_low, above_high = ((u - end) / width for end in (low, high))
        overlap = jnp.log1p(-jnp.exp((low - high) / width))
        return jax.nn.log_sigmoid(above_low) + jax.nn.log_sigmoid(-above_high) + overlap


class OpenRange(NamedTuple):
    """Identity map, used instead of a `SoftInterval` for a range with an open end."""

    def forward(self, u: Array) -> Array:
        """Return u."""
        return u

    def inverse(self, value: ArrayLike) -> Array:
        """Return the value."""
        return jnp.asarray(value)

    def log_slope(self, u: Array) -> Array:
        """Return zero."""
        return jnp.zeros_like(u)
