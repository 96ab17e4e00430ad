"""Predictions of a galaxy's model, each compiled once for all galaxies of the same shapes and options."""

from __future__ import annotations

import jax
import numpy as np
from jax import Array
from kinematics.registry import Params

from steelyard.galaxy.model import GalaxyModel

__all__ = ["predicted_means", "predicted_on_half_plane", "predicted_visibilities"]


@jax.jit
def predicted_means(model: GalaxyModel, params: Params) -> Array:
    """`GalaxyModel.cell_means`, compiled once for all galaxies of the same shapes and options."""
    return model.cell_means(params)


def predicted_on_half_plane(model: GalaxyModel, params: Params) -> np.ndarray:
    """`predicted_means` [Jy] where they are on the data's half plane, (channel, v, u), 0 where no cell holds data."""
    return model.uv_cells.on_half_plane(predicted_means(model, params), model.grid.npix)


@jax.jit
def predicted_visibilities(model: GalaxyModel, params: Params) -> Array:
    """`GalaxyModel.visibilities`, compiled as `predicted_means` is."""
    return model.visibilities(params)
