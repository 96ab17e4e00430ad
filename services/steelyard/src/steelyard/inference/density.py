"""Posterior density of a galaxy over the sampler's unconstrained coordinates."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from kinematics import UvCells
from sampler import SequentialDensity
from steelyard_schemas import GriddedVisibilities, Store

from steelyard.inference.coordinates import Coordinates
from steelyard.inference.likelihood import LIKELIHOODS

__all__ = ["CellData", "cell_data", "log_density", "residual_squared"]


class CellData(NamedTuple):
    """Data of the likelihood, shape (cell, channel)."""

    mean: Array
    """Cell means [Jy], complex."""
    inverse_variance: Array
    """Inverse variance of the real part [Jy^-2], 0 in empty cells."""
    dof: Array
    """Degrees of freedom of the variance."""


def cell_data(data: Store[GriddedVisibilities], cells: UvCells) -> CellData:
    """Gather gridded visibilities in the model's cells, on the device and in the model's precision."""
    mask, dtype = data["mask"], cells.coefficients.dtype
    inverse = np.divide(1.0, data["variance"], out=np.zeros(mask.shape), where=mask)
    return CellData(
        jnp.asarray(cells.listed(np.where(mask, data["mean"], 0)), jnp.result_type(dtype, jnp.complex64)),
        jnp.asarray(cells.listed(inverse), dtype),
        jnp.asarray(cells.listed(np.where(mask, data["dof"], 1), padding=1), dtype),
    )


def residual_squared(model: Array, cells: CellData) -> Array:
    """Return |mean - model|^2 over the variance of the real part, (cell, channel); expectation 2 for known noise."""
    difference = cells.mean - model
    return (difference.real**2 + difference.imag**2) * cells.inverse_variance


def _single_core_log_density(point: Array, coordinates: Coordinates, cells: CellData) -> Array:
    """Return the same log-density, a few channels at a time: slower alone, faster beside others."""
    return _log_density(point, coordinates.with_model(coordinates.model.in_blocks()), cells)


def _log_density(point: Array, coordinates: Coordinates, cells: CellData) -> Array:
    """Return log p(point | data), up to a constant, at unconstrained coordinates (dim,).

    It is one function for all galaxies: compiled once, it serves those with the same shapes and options.
    """
    model = coordinates.model
    means = model.cell_means(coordinates.parameters(point))
    likelihood = LIKELIHOODS[model.options.likelihood]
    return likelihood(residual_squared(means, cells), cells.dof) + coordinates.log_prior(point)


log_density = SequentialDensity(_log_density, single_core=_single_core_log_density)
