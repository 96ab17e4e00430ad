"""Choice of a galaxy's subcells, judged by the change that finer ones make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from kinematics import DEFAULT_LEVELS, Level, finer
from steelyard_schemas.posterior import SubcellGrade

from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_means, predicted_visibilities

__all__ = ["LEVELS", "WANTED", "ChosenSubcells", "choose_subcells"]

LEVELS: dict[SubcellGrade, tuple[Level, ...]] = {"standard": DEFAULT_LEVELS, "fine": finer(DEFAULT_LEVELS)}
"""Refinement levels by grade. Fine ones take up to three times as long (docs/kinematics.md)."""
WANTED = 1e-3
"""Largest accepted error of a visibility, in units of the peak amplitude."""
WANTED_SIGMA = 0.1
"""Largest accepted parameter shift due to errors of the visibilities, in standard deviations."""


class ChosenSubcells(NamedTuple):
    """Subcells that are fine enough, or the finest available."""

    subcells: SubcellGrade
    """Grade of the subcells."""
    visibility_error: float | None = None
    """Largest change of a visibility when subcells are halved, in units of the peak; None if unknown."""
    shift_sigma: float | None = None
    """Largest resulting first-order parameter shift, in standard deviations; None if unknown."""

    @property
    def enough(self) -> bool:
        """Whether all known errors are within the accepted limits."""
        return (self.visibility_error or 0) <= WANTED and (self.shift_sigma or 0) <= WANTED_SIGMA


def choose_subcells(
    model: GalaxyModel,
    params: Mapping[str, ArrayLike],
    shift_by: Callable[[np.ndarray], float] | None = None,
) -> ChosenSubcells:
    """Choose the subcells for given parameters by computing the visibilities with successively finer ones.

    The comparison uses the cells containing data, or all cells of a model without data. Each refinement reduces
    errors 16-fold, so the change measures nearly the whole error of the coarser subcells. Errors outside all squares
    go unnoticed, where a large image cuts off a disc.

    Args:
        model: model of the galaxy.
        params: all of its parameters.
        shift_by: function returning the largest parameter shift, in standard deviations, for a change of the cell
            means (cell, channel) [Jy]; None without data.

    """
    coarse = _visibilities(model, DEFAULT_LEVELS, params)
    chosen = ChosenSubcells("standard")
    for subcells, levels in LEVELS.items():
        half = _visibilities(model, finer(levels), params)
        error = float(np.abs(half - coarse).max() / np.abs(half).max())
        shift = None if shift_by is None else shift_by(half - coarse)
        chosen, coarse = ChosenSubcells(subcells, error, shift), half
        if chosen.enough:
            break
    return chosen


def _visibilities(model: GalaxyModel, levels: tuple[Level, ...], params: Mapping[str, ArrayLike]) -> np.ndarray:
    predicted = predicted_visibilities if model.grid.uv_cells is None else predicted_means
    return np.asarray(predicted(model.with_levels(levels), params))
