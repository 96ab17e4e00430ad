"""How fine a galaxy's subcells must be: judged by what still finer ones change."""

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
"""Of each name that a posterior may tell. Fine ones take up to three times as long (docs/kinematics.md)."""
WANTED = 1e-3
"""Largest error of a visibility, in units of the peak amplitude."""
WANTED_SIGMA = 0.1
"""Largest shift of a parameter by errors of the visibilities, in units of its standard deviation."""


class ChosenSubcells(NamedTuple):
    """Subcells that are fine enough, or the finest there are."""

    subcells: SubcellGrade
    visibility_error: float | None = None
    """Largest change of a visibility by subcells of half the side, in units of their peak; None if unknown."""
    shift_sigma: float | None = None
    """By how much that moves parameters at most, to first order, in standard deviations; None if unknown."""

    @property
    def enough(self) -> bool:
        """Whether errors are as small as wanted, as far as they are known."""
        return (self.visibility_error or 0) <= WANTED and (self.shift_sigma or 0) <= WANTED_SIGMA


def choose_subcells(
    model: GalaxyModel,
    params: Mapping[str, ArrayLike],
    shift_by: Callable[[np.ndarray], float] | None = None,
) -> ChosenSubcells:
    """Choose for a galaxy as `params` have it, by computing its visibilities with finer and finer subcells.

    Those of the cells that hold data, or of all cells if the model is of no data.

    Errors fall to a sixteenth from one to the next, so that a change is nearly all of the error that it takes away.
    It does not see what lies outside of all squares: where a large image cuts a disc off.

    Args:
        model: of the galaxy.
        params: all of its parameters.
        shift_by: by how much a change of the cells' means (cell, channel) moves parameters at most, in units of their
            standard deviations; None where there are no data that would tell.

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
