"""How fine a galaxy's subcells must be: judged by what still finer ones change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from kinematics import DEFAULT_LEVELS, Level, finer
from steelyard_schemas.posterior import Subcells

from steelyard.model import GalaxyModel, predicted_visibilities

__all__ = ["LEVELS", "WANTED", "ChosenSubcells", "choose_subcells"]

LEVELS: dict[Subcells, tuple[Level, ...]] = {"standard": DEFAULT_LEVELS, "fine": finer(DEFAULT_LEVELS)}
"""Of each name that a posterior may tell. Fine ones take up to three times as long (docs/kinematics.md)."""
WANTED = 1e-3
"""Largest error of a visibility, in units of the peak amplitude."""


class ChosenSubcells(NamedTuple):
    """Subcells that are fine enough, or the finest there are."""

    subcells: Subcells
    visibility_error: float | None = None
    """Largest change of a visibility by subcells of half the side, in units of their peak; None if unknown."""


def choose_subcells(model: GalaxyModel, params: Mapping[str, ArrayLike]) -> ChosenSubcells:
    """Choose for a galaxy as `params` have it, by computing its visibilities with finer and finer subcells.

    Errors fall to a sixteenth from one to the next, so that a change is nearly all of the error that it takes away.
    It does not see what lies outside of all squares: where a large image cuts a disc off.
    """
    coarse = _visibilities(model, DEFAULT_LEVELS, params)
    chosen = ChosenSubcells("standard")
    for subcells, levels in LEVELS.items():
        half = _visibilities(model, finer(levels), params)
        error = float(np.abs(half - coarse).max() / np.abs(half).max())
        chosen, coarse = ChosenSubcells(subcells, error), half
        if error <= WANTED:
            break
    return chosen


def _visibilities(model: GalaxyModel, levels: tuple[Level, ...], params: Mapping[str, ArrayLike]) -> np.ndarray:
    return np.asarray(predicted_visibilities(model.with_levels(levels), params))
