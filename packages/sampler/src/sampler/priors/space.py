"""Named parameters of a model: which are sampled, under which prior, and which are held fixed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from sampler.priors.base import Prior


# Not a registered dataclass: JAX would call __init__, which rejects tracers, and sort the names, whose order counts.
@jax.tree_util.register_pytree_node_class
class ParameterSpace:
    """Named parameters, each with a prior (sampled) or a number (fixed).

    It is a pytree whose leaves are its numbers: code compiled for one space serves others with the same names and
    kinds of prior.

    Sampled parameters take the columns of the unconstrained vector z in the order given; a priori z is
    a standard normal in every column, so that `log_prior` already holds the priors and the Jacobian.

    Args:
        parameters: name -> `Prior`, or name -> number for a fixed parameter.

    Raises:
        ValueError: if no parameter has a prior.
        TypeError: if an entry is neither a prior nor a number.
    """

    def __init__(self, parameters: Mapping[str, Prior | float]) -> None:
        for name, entry in parameters.items():
            if not isinstance(entry, Prior | int | float) or isinstance(entry, bool):
                raise TypeError(f"parameter {name!r}: expected a prior or a number, got {type(entry).__name__}")
        self.priors: Mapping[str, Prior] = MappingProxyType(
            {name: entry for name, entry in parameters.items() if isinstance(entry, Prior)}
        )
        self.fixed: Mapping[str, float] = MappingProxyType(
            {name: float(entry) for name, entry in parameters.items() if not isinstance(entry, Prior)}
        )
        if not self.priors:
            raise ValueError("no parameter has a prior: give at least one prior to sample")

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[tuple[str, ...], tuple[str, ...]]]:
        """Priors and fixed numbers, and the names of both."""
        children = (tuple(self.priors.values()), tuple(self.fixed.values()))
        return children, (tuple(self.priors), tuple(self.fixed))

    @classmethod
    def tree_unflatten(cls, names: tuple[tuple[str, ...], tuple[str, ...]], children: tuple[Any, ...]) -> Self:
        """Inverse of `tree_flatten`."""
        space = object.__new__(cls)
        sampled, fixed = (dict(zip(n, values, strict=True)) for n, values in zip(names, children, strict=True))
        space.priors, space.fixed = MappingProxyType(sampled), MappingProxyType(fixed)
        return space

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sampled parameters, in the order of the columns of z."""
        return tuple(self.priors)

    @property
    def ndim(self) -> int:
        """Number of sampled parameters."""
        return len(self.priors)

    def constrain(self, z: ArrayLike) -> dict[str, Array]:
        """Parameter values for z of shape (..., ndim); sampled ones of shape (...), fixed ones scalar."""
        z = jnp.asarray(z)
        values = {name: prior.forward(z[..., i]) for i, (name, prior) in enumerate(self.priors.items())}
        return values | {name: jnp.asarray(value, z.dtype) for name, value in self.fixed.items()}

    def constrain_array(self, z: ArrayLike) -> Array:
        """Sampled parameters only, as an array of the shape of z (..., ndim)."""
        z = jnp.asarray(z)
        return jnp.stack([prior.forward(z[..., i]) for i, prior in enumerate(self.priors.values())], axis=-1)

    def unconstrain(self, values: Mapping[str, float]) -> Array:
        """The z of shape (ndim,) for a value of every sampled parameter (others are ignored).

        Raises:
            ValueError: naming all values that are missing or outside their prior.
        """
        problems = [f"{name} is missing" for name in self.names if name not in values]
        problems += [
            f"{name} = {values[name]} is outside its prior's range {list(prior.support)}"
            for name, prior in self.priors.items()
            if name in values and not prior.contains(values[name])
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return jnp.stack([prior.inverse(float(values[name])) for name, prior in self.priors.items()])

    def log_prior(self, z: ArrayLike) -> Array:
        """Prior plus Jacobian at z of shape (..., ndim): the log of a standard normal, shape (...)."""
        return jnp.sum(jax.scipy.stats.norm.logpdf(jnp.asarray(z)), axis=-1)

    def draw(self, key: Array, n: int) -> Array:
        """Draw n points from the prior, as z of shape (n, ndim)."""
        return jax.random.normal(key, (n, self.ndim))
