"""Log-likelihoods of gridded visibilities, as functions of the squared residual in units of the variance.

For a cell, r^2 = |mean - model|^2 / s^2 with s^2 the variance of the real (or imaginary) part of the mean. Terms
that do not depend on the model are left out. Sums are taken in double precision: at |log L| of a million, single
precision steps by a tenth.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

__all__ = ["LIKELIHOODS", "gaussian", "gaussian_x2", "student_t"]


def student_t(residual_squared: Array, dof: Array) -> Array:
    """Exact likelihood of a mean whose variance is estimated with `dof` degrees of freedom.

    The real and the imaginary part share one estimated variance, so that together they follow a bivariate
    Student t: log L = -(dof + 2) / 2 log(1 + r^2 / dof) (e.g. Gelman et al. 2013, Bayesian Data Analysis, A.1).
    Cells with r^2 = 0 and any dof > 0 add nothing.
    """
    return -jnp.sum((0.5 * dof + 1) * jnp.log1p(residual_squared / dof), dtype=jnp.result_type(float))


def gaussian(residual_squared: Array, dof: Array) -> Array:
    """Likelihood of a mean with known variance: log L = -r^2 / 2."""
    del dof
    return -0.5 * jnp.sum(residual_squared, dtype=jnp.result_type(float))


def gaussian_x2(residual_squared: Array, dof: Array) -> Array:
    """The approximation of arXiv:2511.20746: Gaussian with the standard deviation doubled."""
    return 0.25 * gaussian(residual_squared, dof)


LIKELIHOODS: dict[str, Callable[[Array, Array], Array]] = {
    "student_t": student_t,
    "gaussian": gaussian,
    "gaussian_x2": gaussian_x2,
}
