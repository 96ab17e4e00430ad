"""Starting points of the mode search: near the estimates from the data, or drawn from the prior."""

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

    Positions, angles and velocities scatter around the estimates from the data; the others are drawn from the prior,
    contracted towards its middle, where gradients are informative.
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
            # A prior such as 200 to 300 degrees may contain the start only after adding a full turn.
            values = low + (values - low) % parameter.period
        values = np.clip(values, low + margin, high - margin)
        points[:, column] = np.asarray(parameters.space.priors[name].inverse(values))
    return np.asarray(jax.vmap(coordinates.from_scores)(jnp.asarray(points)))
