"""Compiled predictions of a galaxy's model, shared by all galaxies with the same shapes and options."""

from __future__ import annotations

import jax
import numpy as np
from jax import Array
from kinematics.registry import Params

from steelyard.galaxy.model import GalaxyModel

__all__ = ["predicted_means", "predicted_on_half_plane", "predicted_visibilities"]


@jax.jit
def predicted_means(model: GalaxyModel, params: Params) -> Array:
    """Call `GalaxyModel.cell_means`, compiled once for all galaxies with the same shapes and options."""
    return model.cell_means(params)


def predicted_on_half_plane(model: GalaxyModel, params: Params) -> np.ndarray:
    """Return `predicted_means` [Jy] on the data's half plane, (channel, v, u), 0 in cells without data."""
    return model.uv_cells.on_half_plane(predicted_means(model, params), model.grid.npix)


@jax.jit
def predicted_visibilities(model: GalaxyModel, params: Params) -> Array:
    """Call `GalaxyModel.visibilities`, compiled like `predicted_means`."""
    return model.visibilities(params)
