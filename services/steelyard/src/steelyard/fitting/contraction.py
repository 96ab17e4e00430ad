"""Contraction of priors by the data, and identification of unconstrained parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import sampler
from jax.scipy.special import ndtr
from steelyard_schemas import Posterior

__all__ = ["UNCONSTRAINED_BELOW", "contraction", "prior_quantiles", "unconstrained"]

UNCONSTRAINED_BELOW = 0.3
"""Contraction below which a posterior, at least 70 % as wide as the prior, mostly follows the prior."""


def prior_quantiles(draws: np.ndarray, prior: sampler.Prior) -> np.ndarray:
    """Return the prior quantiles F(x) of draws, any shape: uniform in (0, 1) if the data are uninformative."""
    # Double precision: a narrow posterior far from zero loses its digits in single precision.
    with jax.enable_x64(True):
        return np.asarray(ndtr(prior.inverse(jnp.asarray(draws, jnp.float64))))


def contraction(draws: np.ndarray, prior: sampler.Prior) -> float:
    """Return 1 - sd(posterior) / sd(prior), both measured in the parameter's quantile under its prior.

    For a uniform prior this uses the standard deviations of the parameter itself, for a log-uniform one those of its
    logarithm, so it does not depend on the unit or scale of the prior. It is 1 for an exactly known parameter, 0 for
    one that follows its prior, and negative for one that spreads wider (for example to both ends). Posterior
    contraction as defined by Schad, Betancourt & Vasishth (2021) uses variances instead.

    Args:
        draws: posterior draws of the parameter, any shape.
        prior: prior of the parameter.

    """
    # The quantile is uniform under the prior: its standard deviation is 1 / sqrt(12).
    return float(1 - np.sqrt(12) * prior_quantiles(draws, prior).std())


def unconstrained(posterior: Posterior) -> tuple[str, ...]:
    """Return the names of the parameters that the data do not constrain, in the posterior's order."""
    return tuple(
        p.name for p in posterior.parameters if p.contraction is not None and p.contraction < UNCONSTRAINED_BELOW
    )
