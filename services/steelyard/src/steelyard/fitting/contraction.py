"""How far the data narrowed each prior, and which parameters they leave alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import sampler
from jax.scipy.special import ndtr
from steelyard_schemas import Posterior

__all__ = ["UNCONSTRAINED_BELOW", "contraction", "prior_quantiles", "unconstrained"]

UNCONSTRAINED_BELOW = 0.3
"""Contraction below which a posterior, at least 70 % as wide as the prior, is mostly the prior's."""


def prior_quantiles(draws: np.ndarray, prior: sampler.Prior) -> np.ndarray:
    """Return the quantiles under the prior, F(x), of draws of any shape: uniform in (0, 1) if nothing was learnt."""
    # In double precision: a narrow posterior far from zero has few digits of its own in single.
    with jax.enable_x64(True):
        return np.asarray(ndtr(prior.inverse(jnp.asarray(draws, jnp.float64))))


def contraction(draws: np.ndarray, prior: sampler.Prior) -> float:
    """Return 1 - sd(posterior) / sd(prior), both of the parameter's quantile under its prior.

    For a uniform prior this is the ratio of the parameter's own standard deviations, for a log-uniform one that of
    its logarithm: it does not depend on the unit or scale in which a prior is written down. 1 for a parameter that is
    known exactly, 0 for one that still follows its prior, below 0 for one spread wider (to both ends, say). The
    plainer cousin of Betancourt's posterior contraction (Schad, Betancourt & Vasishth 2021), which takes variances.

    Args:
        draws: of the posterior, any shape.
        prior: of the parameter.

    """
    # The quantile is uniform under the prior: its standard deviation is 1 / sqrt(12).
    return float(1 - np.sqrt(12) * prior_quantiles(draws, prior).std())


def unconstrained(posterior: Posterior) -> tuple[str, ...]:
    """Return the names of the parameters that the data do not constrain, in the posterior's order."""
    return tuple(
        p.name for p in posterior.parameters if p.contraction is not None and p.contraction < UNCONSTRAINED_BELOW
    )
