"""Evaluation of a log-density and its gradient, compiled once for everything that needs it."""

from collections.abc import Callable, Iterator
from functools import lru_cache, update_wrapper
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap, sequential_vmap
from jax.typing import ArrayLike

from sampler.devices import devices_are_cores, over_chains

LogDensity = Callable[..., Array]
"""`log_density(z, *args)`: z of shape (dim,), scalar out, differentiable by JAX."""


class SequentialDensity:
    """Decorator of a log-density of which a single evaluation fills the caches of a CPU core.

    On a CPU, the chains of a device are then evaluated one after the other; everything around the density still runs
    for all chains together. On accelerators it changes nothing: all chains of a device are evaluated at once.

    Args:
        log_density: see `LogDensity`.
        single_core: the same density in the form that is fastest where every device is a single core, so that nothing
            is gained by spreading one evaluation over cores; `log_density` by default.

    """

    def __init__(self, log_density: LogDensity, single_core: LogDensity | None = None) -> None:
        self._log_density = log_density
        self.single_core = single_core or log_density
        update_wrapper(self, log_density)

    def __call__(self, z: Array, *args: Any) -> Array:
        """Return the log-density, a scalar, at z (dim,)."""
        return self._log_density(z, *args)


def _batched(log_density: LogDensity, transform: Callable[[LogDensity], Callable[..., Any]]) -> Callable[..., Any]:
    """Return `transform(log_density)` with the batching rule that the density asks for: together or sequentially."""
    if not isinstance(log_density, SequentialDensity) or jax.default_backend() != "cpu":
        return transform(log_density)
    alone = transform(log_density)
    if not devices_are_cores():
        return sequential_vmap(alone)
    single_core = transform(log_density.single_core)
    mapped = custom_vmap(single_core)  # and not `alone`, which would be traced only to be replaced

    @mapped.def_vmap
    def sequentially(axis_size: int, in_batched: list[Any], *args: Any) -> tuple[Any, Any]:
        each = sequential_vmap(single_core if axis_size > 1 else alone)
        axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
        found = jax.vmap(each, axes)(*args)
        return found, jax.tree.map(lambda _: True, found)

    return mapped


class Approximation(NamedTuple):
    """Cheap approximation of a log-density; they may differ by a constant.

    Attributes:
        log_density: `log_density(z, *args)`, scalar, differentiable by JAX.
        args: its further arguments; traced.
        refine: function from draws (n, dim) of the approximation to better arguments; None if there is none. It is
            called in the pilot alone: pass the arguments that it returned last to a run that resumes.
    """

    log_density: LogDensity
    args: tuple[Any, ...] = ()
    refine: Callable[[np.ndarray], tuple[Any, ...]] | None = None


class Monitor(NamedTuple):
    """Quantities whose convergence ends a run.

    Attributes:
        quantities: `quantities(z, *args)`, (dim,) -> (k,); runs of the same function share a compiled program.
        args: its further arguments; traced.
    """

    quantities: Callable[..., Array]
    args: tuple[Any, ...] = ()

    def of(self, draws: ArrayLike) -> np.ndarray:
        """Quantities (n, m, k) of draws (n, m, dim)."""
        return np.asarray(_monitor_program(self.quantities)(jnp.asarray(draws), self.args))


@lru_cache(maxsize=8)
def _monitor_program(quantities: Callable[..., Array]) -> Callable[[Array, tuple[Any, ...]], Array]:
    @jax.jit
    def of_all(draws: Array, args: tuple[Any, ...]) -> Array:
        return jax.vmap(jax.vmap(lambda z: quantities(z, *args)))(draws)

    return of_all


def guarded(log_density: LogDensity) -> LogDensity:
    """The same log-density, with -inf and a zero gradient wherever the value or the gradient is not finite.

    A proposal there is then rejected and cannot poison a sum. +inf counts as non-finite too: a model
    that returns it is wrong, and a chain would never leave such a point. The value is in JAX's default
    float, whatever the dtype of z.
    """

    # Compiled by itself only so that JAX traces it once, wherever it stands in a program and however often.
    value_and_gradient = _batched(log_density, lambda density: jax.jit(jax.value_and_grad(density)))

    def safe(z: Array, *args: Any) -> Array:
        at = jax.lax.stop_gradient(z)
        value, gradient = value_and_gradient(at, *args)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        gradient = jnp.where(finite, gradient, 0.0)
        # Linear in z with the known gradient: an outer grad neither retraces nor differentiates the model twice.
        value = jnp.where(finite, value, -jnp.inf).astype(jnp.result_type(float))
        return value + jnp.vdot(gradient, z - at)

    return safe


def guarded_value(log_density: LogDensity, z: Array, *args: Any) -> Array:
    """The log-density alone, -inf where it is not finite, in JAX's default float."""
    value = _batched(log_density, lambda density: density)(z, *args).astype(jnp.result_type(float))
    return jnp.where(jnp.isfinite(value), value, -jnp.inf)


@lru_cache(maxsize=8)  # bounded, since each entry keeps the density and whatever data it closes over alive
def _evaluator(log_density: LogDensity) -> Callable[[Array, tuple[Any, ...]], tuple[Array, Array]]:
    value_and_gradient = jax.value_and_grad(guarded(log_density))
    return jax.jit(over_chains(lambda z, args: value_and_gradient(z, *args), in_axes=(0, None)))


def working_dtype(points: ArrayLike) -> np.dtype[Any]:
    """Floating dtype in which JAX will see these points (float64 counts only where it is enabled)."""
    return np.dtype(jax.dtypes.canonicalize_dtype(np.result_type(np.asarray(points).dtype, np.float32)))


def evaluate(
    log_density: LogDensity, points: np.ndarray, args: tuple[Any, ...], batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log-density and gradient at any number of points, in batches of one size so that one program serves.

    Args:
        log_density: see `LogDensity`.
        points: (n, dim); their dtype is the one the density sees.
        args: further arguments of the density, traced (not compiled in).
        batch_size: number of points evaluated together; the last batch is padded with its first point.

    Returns:
        float64 values (n,), -inf where not finite, and float64 gradients (n, dim), zero there.
    """
    program = _evaluator(log_density)
    values, gradients = [], []
    for n, batch in batches(points, batch_size):
        value, gradient = program(batch, args)
        values.append(np.asarray(value, np.float64)[:n])
        gradients.append(np.asarray(gradient, np.float64)[:n])
    return np.concatenate(values), np.concatenate(gradients)


def batches(points: np.ndarray, size: int) -> Iterator[tuple[int, Array]]:
    """Yield points (n, dim) in batches of one size, so that one program serves, and how many of each count.

    The last one is filled up with its first point.
    """
    for start in range(0, len(points), size):
        batch = points[start : start + size]
        padding = np.broadcast_to(batch[:1], (size - len(batch), points.shape[1]))
        yield len(batch), jnp.asarray(np.concatenate([batch, padding]))


@lru_cache(maxsize=8)
def value_program(log_density: LogDensity) -> Callable[[Array, tuple[Any, ...]], Array]:
    """Compile-once program of the log-density alone, -inf where it is not finite: points (n, dim) to (n,)."""
    return jax.jit(over_chains(lambda z, args: guarded_value(log_density, z, *args), in_axes=(0, None)))
