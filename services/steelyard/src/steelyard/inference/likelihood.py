"""Log-likelihoods of gridded visibilities, as functions of the squared residual in units of the variance.

For a cell, r^2 = |mean - model|^2 / s^2, where s^2 is the variance of the real (or imaginary) part of the mean. Terms
independent of the model are omitted. Sums use double precision: at |log L| of a million, single precision resolves
only a tenth.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

__all__ = ["LIKELIHOODS", "gaussian", "gaussian_x2", "student_t"]


def student_t(residual_squared: Array, dof: Array) -> Array:
    """Return the exact log-likelihood of means whose variance is estimated with `dof` degrees of freedom.

    Real and imaginary part share one estimated variance and jointly follow a bivariate Student t:
    log L = -(dof + 2) / 2 log(1 + r^2 / dof) (e.g. Gelman et al. 2013, Bayesian Data Analysis, A.1).
    Cells with r^2 = 0 and any dof > 0 contribute nothing.
    """
    return -jnp.sum((0.5 * dof + 1) * jnp.log1p(residual_squared / dof), dtype=jnp.result_type(float))


def gaussian(residual_squared: Array, dof: Array) -> Array:
    """Return the log-likelihood of means with known variance, log L = -r^2 / 2."""
    del dof
    return -0.5 * jnp.sum(residual_squared, dtype=jnp.result_type(float))


def gaussian_x2(residual_squared: Array, dof: Array) -> Array:
    """Return the approximation of arXiv:2511.20746: Gaussian with doubled standard deviation."""
    return 0.25 * gaussian(residual_squared, dof)


LIKELIHOODS: dict[str, Callable[[Array, Array], Array]] = {
    "student_t": student_t,
    "gaussian": gaussian,
    "gaussian_x2": gaussian_x2,
}
