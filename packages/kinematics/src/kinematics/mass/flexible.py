"""Multi-Gaussian expansions that may depart smoothly from their law: a Gaussian process in log radius."""

from __future__ import annotations

from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from kinematics.mass.mge import MGE

__all__ = ["LogProcess", "flexible_mge"]

JITTER = 1e-9
"""Addition to the diagonal of the correlation matrix, against rounding."""


class LogProcess(NamedTuple):
    """Gaussian process delta(log10 R) with a squared-exponential covariance, conditioned on its values at knots.

    Far from all knots delta returns to zero.
    """

    log10_knots_pc: ArrayLike
    """Logarithms of the radii of the knots, shape (knot,)."""
    length_dex: ArrayLike
    """Correlation length."""
    weights: ArrayLike
    """Map from independent standard normal scores to the coefficients of the covariance functions, (knot, knot)."""

    @classmethod
    def between(
        cls, min_radius_pc: float, max_radius_pc: float, n_knots: int, amplitude: float, length_dex: float
    ) -> Self:
        """Return the process with knots evenly spaced in log radius.

        Args:
            min_radius_pc: radius of the first knot [pc].
            max_radius_pc: radius of the last knot [pc].
            n_knots: number of knots, at least 2.
            amplitude: standard deviation of delta at each knot.
            length_dex: correlation length in log10 R.

        """
        knots = np.linspace(np.log10(min_radius_pc), np.log10(max_radius_pc), n_knots)
        separation = (knots[:, None] - knots) / length_dex
        root = np.linalg.cholesky(np.exp(-0.5 * separation**2) + JITTER * np.eye(n_knots))
        # Values at the knots are amplitude * root @ scores, and the correlation matrix is root @ root.T.
        return cls(knots, length_dex, amplitude * np.linalg.inv(root).T)

    def __call__(self, scores: ArrayLike, radius_pc: ArrayLike) -> Array:
        """Return delta at radii [pc], shape (...,), for standard normal scores of shape (knot,).

        This is the mean of the process given its values at the knots (Rasmussen & Williams 2006, eq. 2.23).
        """
        scores = jnp.asarray(scores)
        separation = jnp.log10(jnp.asarray(radius_pc, scores.dtype))[..., None] - jnp.asarray(
            self.log10_knots_pc, scores.dtype
        )
        correlation = jnp.exp(-0.5 * (separation / self.length_dex) ** 2)
        return correlation @ (jnp.asarray(self.weights, scores.dtype) @ scores)


def flexible_mge(mge: MGE, process: LogProcess, scores: ArrayLike) -> MGE:
    """Multiply each Gaussian by exp(delta) at its dispersion; the result deprojects exactly.

    Args:
        mge: Gaussians, each field of shape (n,) or broadcasting to it.
        process: the process that delta follows.
        scores: standard normal scores, shape (knot,).

    Returns:
        MGE with the same dispersions and axis ratios.

    """
    factor = jnp.exp(process(scores, mge.sigma_pc))
    return mge._replace(surface_density_msun_pc2=jnp.asarray(mge.surface_density_msun_pc2) * factor)
