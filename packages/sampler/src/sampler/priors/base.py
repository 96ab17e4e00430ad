"""Interface of all priors."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from sampler.priors.normal_tails import HALF_LOG_2PI


def register_prior[T: "Prior"](cls: type[T]) -> type[T]:
    """Register a prior, a frozen dataclass, as a pytree: compiled code serves the same kind with other numbers.

    Fields are leaves, numbers or tuples of numbers that may be traced, unless their metadata says `static` because
    they select code.
    """
    declared = fields(cast(Any, cls))
    static = tuple(f.name for f in declared if f.metadata.get("static"))
    leaves = tuple(f.name for f in declared if f.name not in static)

    def flatten(prior: T) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(prior, name) for name in leaves), tuple(getattr(prior, name) for name in static)

    def unflatten(chosen: tuple[Any, ...], numbers: tuple[Any, ...]) -> T:
        # Not jax.tree_util.register_dataclass, which calls __init__: its checks need numbers, not tracers.
        prior = object.__new__(cls)
        prior.__dict__.update(zip((*leaves, *static), (*numbers, *chosen), strict=True))
        return prior

    jax.tree_util.register_pytree_node(cls, flatten, unflatten)
    return cls


class Prior(ABC):
    """A one-dimensional prior, as a density and as a map from z ~ N(0, 1)."""

    @property
    def is_bounded(self) -> bool:
        """Whether the support is finite at both ends."""
        return True

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Lowest and highest value, infinite where there is no bound."""

    @abstractmethod
    def log_prob(self, x: ArrayLike) -> Array:
        """Log of the normalised density at x; -inf outside the support."""

    @abstractmethod
    def forward(self, z: ArrayLike) -> Array:
        """Value x for unconstrained z; may round to a bound of the support, never beyond it."""

    @abstractmethod
    def inverse(self, x: ArrayLike) -> Array:
        """Unconstrained z of a value x; a value on or beyond a bound gives -Z_MAX or Z_MAX."""

    def log_det(self, z: ArrayLike) -> Array:
        """log |dx/dz|, which is log N(z; 0, 1) - log p(x(z)) because the map goes through the prior's CDF."""
        z = jnp.asarray(z)
        return -0.5 * z * z - HALF_LOG_2PI - self.log_prob(self.forward(z))

    def sample(self, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Independent draws from the prior."""
        return self.forward(jax.random.normal(key, shape))

    def contains(self, x: float) -> bool:
        """Return whether x lies within the support, bounds included."""
        low, high = self.support
        return low <= x <= high
