"""The mode of a galaxy's posterior, by a model whose subcells are fine enough there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import sampler
from sampler import find_mode

from steelyard.density import log_density
from steelyard.field import check_field
from steelyard.starts import starting_points
from steelyard.subcells import WANTED, ChosenSubcells, choose_subcells

if TYPE_CHECKING:
    from steelyard.fitting import Problem

__all__ = ["FoundMode", "search_mode", "subcell_warnings"]

N_STEPS_ON, RATE_ON = 20, 0.01
"""From the mode by coarser subcells to that by finer ones, which lies within the former's errors."""


class FoundMode(NamedTuple):
    """What a search for the mode ends with."""

    problem: Problem
    """With the subcells that the galaxy needs."""
    mode: sampler.Mode
    subcells: ChosenSubcells
    warnings: tuple[str, ...]


def search_mode(
    problem: Problem, progress: Callable[[sampler.Progress], None] | None, note: Callable[[str], None]
) -> FoundMode:
    """Search from many starts with standard subcells; where finer ones are needed go on with them.

    Raises:
        ContractError: the best disc does not fit in the image.

    """
    settings = problem.galaxy.sampler
    note(f"searching the mode of {len(problem.parameters.names)} parameters from {settings.n_starts} starts")
    points = starting_points(problem.parameters, problem.coordinates, problem.look, settings.n_starts, settings.seed)
    search = partial(find_mode, log_density, batch_size=min(settings.n_chains, settings.n_starts), progress=progress)
    mode = search(points, args=(problem.coordinates, problem.cells))
    at_mode = problem.coordinates.parameters(jnp.asarray(mode.position))
    check_field(problem.model, at_mode)
    warnings = _mode_warnings(mode)
    chosen = choose_subcells(problem.model, at_mode)
    if chosen.subcells != "standard":
        note(f"going on with {chosen.subcells} subcells: with standard ones the model's error is over {WANTED:.0e}")
        problem, before = problem.with_subcells(chosen.subcells), mode
        mode = search(
            mode.position[None],
            args=(problem.coordinates, problem.cells),
            n_steps=N_STEPS_ON,
            learning_rate=RATE_ON,
        )
        mode = replace(mode, n_gradients=before.n_gradients + mode.n_gradients)
        warnings += _mode_warnings(mode)
    return FoundMode(problem, mode, chosen, tuple(dict.fromkeys(warnings + subcell_warnings(chosen))))


def _mode_warnings(mode: sampler.Mode) -> tuple[str, ...]:
    warnings = []
    if not mode.converged:
        warnings.append("the search for the mode stopped before it converged")
    if mode.is_multimodal:
        n = sum(start.verdict == "rival" for start in mode.starts)
        warnings.append(
            f"{n} of {len(mode.starts)} starts ended on another peak of like height: the posterior is multimodal"
        )
    return tuple(warnings)


def subcell_warnings(chosen: ChosenSubcells) -> tuple[str, ...]:
    """What a user should know of subcells that are not fine enough."""
    if chosen.visibility_error is None or chosen.visibility_error <= WANTED:
        return ()
    return (
        f"the model's visibilities are exact to {chosen.visibility_error:.1e} of their peak only: the disc is "
        "thinner on the sky, or its velocity changes faster, than even fine subcells resolve",
    )
