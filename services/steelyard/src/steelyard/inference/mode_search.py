"""The mode of a galaxy's posterior, by a model whose subcells are fine enough there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import sampler
from sampler import evaluate, find_mode, on_chain_devices

from steelyard.galaxy.accuracy import ChosenSubcells, choose_subcells
from steelyard.galaxy.field_of_view import check_field
from steelyard.inference.density import CellData, log_density
from steelyard.inference.problem import Problem
from steelyard.inference.starts import starting_points

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
    points = starting_points(
        problem.parameters, problem.coordinates, problem.estimates, settings.n_starts, settings.seed
    )
    search = partial(find_mode, log_density, batch_size=batch_size(problem), progress=progress)
    mode = search(points, args=(problem.coordinates, problem.cells))
    at_mode = problem.coordinates.parameters(jnp.asarray(mode.position))
    check_field(problem.model, at_mode)
    warnings = _mode_warnings(mode)
    chosen = choose_subcells(problem.model, at_mode, shift_at_mode(problem, mode))
    if chosen.subcells != "standard":
        note(f"going on with {chosen.subcells} subcells: with standard ones the model's errors are too large")
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


def shift_at_mode(problem: Problem, mode: sampler.Mode) -> Callable[[np.ndarray], float]:
    """Return by how much a change of the visibilities at the mode moves parameters at most, in standard deviations.

    To first order: the Newton step to the new mode, whose length in coordinates whitened by the posterior's
    covariance bounds the shift of every parameter. A change of the model counts as the opposite one of the data: that
    it differs from point to point, which lets it pull on the noise too, is left out.

    Args:
        problem: of which `mode` is the mode.
        mode: with its curvature.

    Returns:
        Function of a change of the cells' means [Jy], shape (cell, channel).

    """
    batch = batch_size(problem)

    def gradient(cells: CellData) -> np.ndarray:
        arguments = on_chain_devices((problem.coordinates, cells), batch)
        return evaluate(log_density, mode.position[None], arguments, batch)[1][0]

    cells = problem.cells
    at_mode = gradient(cells)

    def shift(change: np.ndarray) -> float:
        pull = gradient(cells._replace(mean=cells.mean - change)) - at_mode
        return float(np.linalg.norm(mode.factor.T @ pull))

    return shift


def batch_size(problem: Problem) -> int:
    """Points that a search evaluates together: as many as there are chains, so that sampling shares its program."""
    settings = problem.galaxy.sampler
    return min(settings.n_chains, settings.n_starts)


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
    if chosen.enough:
        return ()
    shift = "" if chosen.shift_sigma is None else f", which may move parameters by {chosen.shift_sigma:.1f} sigma"
    return (
        f"the model's visibilities are exact to {chosen.visibility_error:.1e} of their peak only{shift}: even fine "
        "subcells do not resolve the disc's minor axis, or how its velocity changes, as well as these data need",
    )
