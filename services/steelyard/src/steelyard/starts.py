"""Starting points for the search of the mode: the first look where it knows, the prior where it does not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from steelyard.coordinates import Coordinates
from steelyard.first_look import FirstLook
from steelyard.model import prior_range
from steelyard.parameters import Parameters

__all__ = ["starting_points"]


def starting_points(
    parameters: Parameters, coordinates: Coordinates, look: FirstLook, n: int, seed: int
) -> np.ndarray:
    """Draw unconstrained starting points, shape (n, parameter).

    Places, angles and velocities scatter about the first look; the rest is drawn from the prior, pulled towards its
    middle, where gradients lead somewhere.
    """
    size = look.radius_arcsec
    band = look.velocity_max_kms - look.velocity_min_kms
    guesses = {
        "pa_deg": (look.pa_deg, 10.0),
        "vsys_kms": (look.vsys_kms, 0.03 * band),
        "x0_arcsec": (look.x0_arcsec, 0.1 * size),
        "y0_arcsec": (look.y0_arcsec, 0.1 * size),
        "disc_scale_arcsec": (0.5 * size, 0.1 * size),
        "hole_radius_arcsec": (0.3 * size, 0.1 * size),
        "ring_radius_arcsec": (size, 0.2 * size),
        "ring_width_arcsec": (0.4 * size, 0.1 * size),
        "flux_jykms": (1.2 * look.flux_jykms, 0.1 * look.flux_jykms),
    }
    dim = len(parameters.names)
    rng = np.random.default_rng(seed)
    points = 0.5 * np.asarray(jax.random.normal(jax.random.key(seed), (n, dim), jnp.float64))
    for column, (name, prior) in enumerate(parameters.priors.items()):
        if (guess := guesses.get(name)) is None:
            continue
        low, high = prior_range(prior)
        margin = 0.02 * (high - low) if np.isfinite(high - low) else 0.0
        values = guess[0] + guess[1] * rng.standard_normal(n)
        if name == "pa_deg" and np.isfinite(high - low):
            # A prior such as 200 to 300 degrees may hold the guess one turn away.
            values = low + (values - low) % 360
        values = np.clip(values, low + margin, high - margin)
        points[:, column] = np.asarray(parameters.space.priors[name].inverse(values))
    return np.asarray(jax.vmap(coordinates.from_scores)(jnp.asarray(points)))
