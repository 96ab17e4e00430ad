"""Posterior predictive checks: chi-square of the cells, and moment maps of mock data from the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vis_gridder import Moments

from steelyard.data.chi_square import CellMisfit, cell_misfit
from steelyard.report.products import Products

__all__ = ["PredictedMoments", "best_misfit", "predicted_moments"]

N_REPLICATES = 40
"""Number of mock data sets; it determines their 68 % range to about 15 %."""
SEEN = 0.8
"""Minimum fraction of mock data sets with a value in a pixel for a comparison with the data."""


def best_misfit(products: Products) -> CellMisfit:
    """Compute the chi-square of every cell (channel, v, u) for the best draw."""
    store = products.data_store
    mask, variance = store["mask"], store["variance"].astype(float)
    difference = np.where(mask, store["mean"] - products.best_visibilities, 0)
    squared = np.divide(np.abs(difference) ** 2, variance, out=np.zeros(mask.shape), where=mask)
    return cell_misfit(squared, store["dof"].astype(float), mask)


@dataclass(frozen=True)
class PredictedMoments:
    """Moment maps of the data and of mock data from the posterior; each map has shape (y, x).

    Attributes:
            data: of the data.
        median: of the mock data, pixel by pixel; NaN where too few of them show a velocity.
            deviation: data - median, in units of half the 68 % range of the mock data.

    """

    data: Moments
    median: Moments
    deviation: Moments


def predicted_moments(products: Products, n: int = N_REPLICATES, seed: int = 0) -> PredictedMoments:
    """Compute moments of mock data from the posterior predictive distribution, as for the data.

    Each mock has the visibilities of one posterior draw plus independent noise in every cell, with the cell's
    estimated error: Student's t with the cell's degrees of freedom for that likelihood, otherwise Gaussian. The
    doubled errors of `gaussian_x2` widen the posterior but do not describe the noise.

    Args:
        products: products of the fit.
        n: number of mock data sets.
        seed: random seed for the noise.

    """
    rng = np.random.default_rng(seed)
    replicas = [
        products.moments(products.dirty(products.visibilities(parameters) + _noise(products, rng)))
        for parameters in products.some_draws(n)
    ]
    data = products.moments(products.data)
    median, deviation = {}, {}
    for field in Moments._fields[:3]:
        stack = np.stack([getattr(replica, field) for replica in replicas])
        shown = np.mean(np.isfinite(stack), axis=0) >= SEEN
        # NumPy would warn about pixels without any value.
        low, middle, high = np.nanquantile(np.where(shown, stack, 0.0), [0.16, 0.5, 0.84], axis=0)
        spread = np.where(shown & (high > low), 0.5 * (high - low), np.nan)
        median[field] = np.where(shown, middle, np.nan)
        deviation[field] = (getattr(data, field) - middle) / spread
    return PredictedMoments(data, data._replace(**median), data._replace(**deviation))


def _noise(products: Products, rng: np.random.Generator) -> np.ndarray:
    """Noise of all cells [Jy], complex, (channel, v, u)."""
    store = products.data_store
    mask = store["mask"]
    parts = rng.standard_normal((2, *mask.shape))
    sigma = np.sqrt(np.where(mask, store["variance"], 0).astype(float))
    if products.manifest.galaxy.likelihood.kind == "student_t":
        dof = np.where(mask, store["dof"], 1).astype(float)
        # Real and imaginary part share one estimated variance.
        sigma = sigma / np.sqrt(rng.chisquare(dof) / dof)
    return (parts[0] + 1j * parts[1]) * sigma
