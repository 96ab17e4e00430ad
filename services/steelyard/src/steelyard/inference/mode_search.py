"""Search for the mode of a galaxy's posterior, with subcells that are fine enough there."""

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
"""Steps and learning rate from the mode with coarser subcells to that with finer ones, which is nearby."""


class FoundMode(NamedTuple):
    """Result of a mode search."""

    problem: Problem
    """Problem with the subcells that the galaxy needs."""
    mode: sampler.Mode
    """Mode of the posterior."""
    subcells: ChosenSubcells
    """Subcells of the model and their errors."""
    warnings: tuple[str, ...]
    """Warnings for the user."""


def search_mode(
    problem: Problem, progress: Callable[[sampler.Progress], None] | None, note: Callable[[str], None]
) -> FoundMode:
    """Search for the mode from many starts with standard subcells, then with finer ones if needed.

    Raises:
        ContractError: the best disc does not fit in the image.

    """
    settings = problem.galaxy.sampler
    note(f"searching for the mode of {len(problem.parameters.names)} parameters from {settings.n_starts} starts")
    points = starting_points(
        problem.parameters, problem.coordinates, problem.estimates, settings.n_starts, settings.seed
    )
    search = partial(find_mode, log_density, batch_size=batch_size(problem), progress=progress)
    mode = search(points, args=(problem.coordinates, problem.cells))
    at_mode = problem.coordinates.parameters(jnp.asarray(mode.position))
    check_field(problem.model, at_mode, problem.galaxy.name)
    warnings = _mode_warnings(mode)
    chosen = choose_subcells(problem.model, at_mode, shift_at_mode(problem, mode))
    if chosen.subcells != "standard":
        note(f"continuing with {chosen.subcells} subcells: standard ones leave too large model errors")
        problem, before = problem.with_subcells(chosen.subcells), mode
        mode = search(
            mode.position[None],
            args=(problem.coordinates, problem.cells),
            n_steps=N_STEPS_ON,
            learning_rate=RATE_ON,
        )
        mode = replace(mode, n_gradients=before.n_gradients + mode.n_gradients, rivals=before.rivals)
        warnings += _mode_warnings(mode)
    return FoundMode(problem, mode, chosen, tuple(dict.fromkeys(warnings + subcell_warnings(chosen))))


def shift_at_mode(problem: Problem, mode: sampler.Mode) -> Callable[[np.ndarray], float]:
    """Return a function for the largest parameter shift due to a change of the visibilities at the mode.

    To first order the mode moves by a Newton step, whose length in coordinates whitened by the posterior covariance
    bounds the shift of every parameter in standard deviations. A change of the model is treated as the opposite
    change of the data; its variation from point to point, which couples to the noise, is neglected.

    Args:
        problem: problem whose mode is `mode`.
        mode: mode with its curvature.

    Returns:
        Function of a change of the cell means [Jy], shape (cell, channel), that returns standard deviations.

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
    """Return the batch size of the search: the number of chains, so that sampling reuses its program."""
    settings = problem.galaxy.sampler
    return min(settings.n_chains, settings.n_starts)


def _mode_warnings(mode: sampler.Mode) -> tuple[str, ...]:
    warnings = []
    if not mode.converged:
        warnings.append("the search for the mode stopped before it converged")
    return tuple(warnings)


def subcell_warnings(chosen: ChosenSubcells) -> tuple[str, ...]:
    """Return warnings about subcells that are not fine enough."""
    if chosen.enough:
        return ()
    shift = "" if chosen.shift_sigma is None else f", which may move parameters by {chosen.shift_sigma:.1f} sigma"
    return (
        f"the model's visibilities are accurate only to {chosen.visibility_error:.1e} of their peak{shift}: even "
        "fine subcells do not resolve the disc's minor axis or velocity gradient as well as these data require",
    )
