"""Starting points for the search of the mode: near the estimates from the data, or drawn from the prior."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from steelyard_schemas.ingredients import PARAMETERS, DataEstimates

from steelyard.galaxy.parameters import Parameters, prior_range
from steelyard.inference.coordinates import Coordinates

__all__ = ["starting_points"]


def starting_points(
    parameters: Parameters, coordinates: Coordinates, estimates: DataEstimates, n: int, seed: int
) -> np.ndarray:
    """Draw unconstrained starting points, shape (n, parameter).

    Places, angles and velocities scatter about the data's estimates; the rest is drawn from the prior, pulled
    towards its middle, where gradients lead somewhere.
    """
    dim = len(parameters.names)
    rng = np.random.default_rng(seed)
    points = 0.5 * np.asarray(jax.random.normal(jax.random.key(seed), (n, dim), jnp.float64))
    for column, (name, prior) in enumerate(parameters.priors.items()):
        parameter = PARAMETERS[name]
        if parameter.start is None:
            continue
        start = parameter.start(estimates)
        low, high = prior_range(prior)
        margin = 0.02 * (high - low) if np.isfinite(high - low) else 0.0
        values = start.value + start.scatter * rng.standard_normal(n)
        if parameter.period is not None and np.isfinite(high - low):
            # A prior such as 200 to 300 degrees may hold the start one turn away.
            values = low + (values - low) % parameter.period
        values = np.clip(values, low + margin, high - margin)
        points[:, column] = np.asarray(parameters.space.priors[name].inverse(values))
    return np.asarray(jax.vmap(coordinates.from_scores)(jnp.asarray(points)))
