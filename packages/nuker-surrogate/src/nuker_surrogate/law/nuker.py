"""The Nuker law of surface density, evaluated through its logarithm.

Lauer et al. (1995, AJ 110, 2622), eq. 1. Powers such as ``x**alpha`` overflow single precision at
``alpha = 10``; sums of logarithms do not, so every quantity here is built from them.

Each function takes ``xp``, the array namespace: ``jax.numpy`` by default, ``numpy`` where float64 must hold
whatever JAX's precision setting is.
"""

from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

Array = Any  # a JAX or NumPy array, or a Python number: the functions of this module take all three


class NukerParams(NamedTuple):
    """Shape of a Nuker law; a pytree whose leaves broadcast against each other.

    Attributes:
        alpha: sharpness of the break.
        beta: outer logarithmic slope, ``Sigma ~ R**-beta``.
        gamma: inner logarithmic slope, ``Sigma ~ R**-gamma``.
        r_b_pc: break radius [pc].
    """

    alpha: Array
    beta: Array
    gamma: Array
    r_b_pc: Array


def log_surface_density(R_pc: Array, params: NukerParams, xp: ModuleType = jnp) -> Array:
    """Natural logarithm of the Nuker law for ``Sigma_b = 1`` (Lauer et al. 1995, eq. 1).

    Args:
        R_pc: projected radius [pc], > 0; broadcasts against the leaves of `params`.
        params: shape of the law.
        xp: array namespace to compute in.

    Returns:
        Array of the shape to which `R_pc` and the leaves broadcast.
    """
    alpha, beta, gamma, r_b_pc = params
    log_x = xp.log(R_pc) - xp.log(r_b_pc)
    # log[(1 + x^alpha) / 2] / alpha: the smooth maximum of 0 and log x, which vanishes at the break.
    bend = (_softplus(alpha * log_x, xp) - np.log(2.0)) / alpha
    return -gamma * log_x - (beta - gamma) * bend


def _softplus(t: Array, xp: ModuleType) -> Array:
    """``log(1 + exp(t))``: faster than logaddexp, which also handles infinities."""
    return xp.maximum(t, 0.0) + xp.log1p(xp.exp(-xp.abs(t)))


def surface_density(R_pc: Array, params: NukerParams, sigma_b: Array = 1.0, xp: ModuleType = jnp) -> Array:
    """Surface density of the Nuker law, in the unit of `sigma_b`.

    Args:
        R_pc: projected radius [pc], > 0; broadcasts against the leaves of `params`.
        params: shape of the law.
        sigma_b: surface density at the break radius, e.g. [Msun / pc^2].
        xp: array namespace to compute in.

    Returns:
        Array of the shape to which `R_pc`, `sigma_b` and the leaves broadcast.
    """
    return sigma_b * xp.exp(log_surface_density(R_pc, params, xp))


def log_slope(R_pc: Array, params: NukerParams, xp: ModuleType = jnp) -> Array:
    """Logarithmic slope ``-d log Sigma / d log R``, dimensionless: gamma inside the break, beta outside.

    At the break it is the mean of the two. Arguments and shapes as for `log_surface_density`.
    """
    alpha, beta, gamma, r_b_pc = params
    # The logistic function through tanh, which saturates where exp would overflow.
    outer = 0.5 * (1.0 + xp.tanh(0.5 * alpha * (xp.log(R_pc) - xp.log(r_b_pc))))
    return gamma + (beta - gamma) * outer


def surface_density_gradient(R_pc: Array, params: NukerParams, sigma_b: Array = 1.0, xp: ModuleType = jnp) -> Array:
    """Derivative ``d Sigma / d R``, in the unit of `sigma_b` per pc. Arguments as for `surface_density`."""
    return -log_slope(R_pc, params, xp) * surface_density(R_pc, params, sigma_b, xp) / R_pc
