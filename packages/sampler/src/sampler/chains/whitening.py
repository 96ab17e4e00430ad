"""Whitened coordinates y, z = origin + L y, in which the posterior is about as wide in every direction."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def unwhiten(origin: Array, factor: Array, y: Array) -> Array:
    """Return z (dim,), in the dtype of the origin, for whitened y (dim,) and L = `factor` (dim, dim)."""
    # Accelerators round float32 products to 10 or 19 bits otherwise.
    return (origin + jnp.matmul(factor, y, precision=jax.lax.Precision.HIGHEST)).astype(origin.dtype)


def whiten(origin: Array, factor: Array, z: Array) -> Array:
    """Return y (dim,) = L^-1 (z - origin) for lower-triangular L = `factor` (dim, dim)."""
    return jax.scipy.linalg.solve_triangular(factor, z - origin, lower=True)


def default_float(array: np.ndarray) -> Array:
    """Array on the device in JAX's default float, the dtype of whitened coordinates."""
    return jnp.asarray(array, jnp.result_type(float))
