"""Separate peaks of a posterior: which the chains visited, and how the draws divide among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from sampler import Mode, Peak

__all__ = ["Peaks", "PeaksFound", "judge_peaks"]

LEAST_SHARE = 0.01
"""Share of the posterior below which an unvisited peak does not matter."""
REACH = 2.0
"""Distance from a peak, in widths of its Gaussian, within which a draw has visited it, however near the next peak."""


class Peaks(NamedTuple):
    """Peaks that the mode search found in the coordinates of the sampler, the mode first."""

    position: np.ndarray
    """Position of each peak, shape (peak, dim)."""
    factor: np.ndarray
    """L of the Gaussian there, with covariance L L^T, shape (peak, dim, dim)."""
    log_mass: np.ndarray
    """Logarithm of the mass of that Gaussian (Laplace's approximation), up to a constant, shape (peak,)."""

    @classmethod
    def of(cls, mode: Mode) -> Self:
        """Collect the mode and its rivals."""
        found: tuple[Mode | Peak, ...] = (mode, *mode.rivals)
        position, factor = (np.stack([getattr(peak, name) for peak in found]) for name in ("position", "factor"))
        return cls(np.asarray(position, np.float64), factor, np.array([peak.log_mass for peak in found]))

    @property
    def expected_share(self) -> np.ndarray:
        """Share of the posterior at each peak by Laplace's approximation, shape (peak,)."""
        mass = np.exp(self.log_mass - self.log_mass.max())
        return mass / mass.sum()

    def distances(self, draws: np.ndarray) -> np.ndarray:
        """Return distances of draws (n, dim) from each peak in widths of its Gaussian, shape (peak, n)."""
        away = (draws - self.position[:, None]).swapaxes(1, 2)
        return np.linalg.norm(np.linalg.solve(self.factor, away), axis=1) / np.sqrt(draws.shape[-1])

    def visited(self, draws: np.ndarray) -> np.ndarray:
        """Return whether any of the draws (n, dim) lies at each peak, shape (peak,).

        A bent posterior spreads far from its peak; half-way to the next one there is a dip.
        """
        between = self.distances(self.position)
        half_way = 0.5 * np.min(between + np.diag(np.full(len(between), np.inf)), axis=1)
        return self.distances(draws).min(axis=1) < np.maximum(REACH, half_way)


class PeaksFound(NamedTuple):
    """Verdict on the peaks of a posterior."""

    all_visited: bool
    """Whether the chains visited every peak that matters."""
    warnings: tuple[str, ...]
    """Warnings for the user."""


def judge_peaks(peaks: Peaks, draws: np.ndarray, describe: Callable[[np.ndarray], str]) -> PeaksFound:
    """Judge whether chains visited all peaks, and report how their draws divide.

    Args:
        peaks: peaks that the mode search found.
        draws: draws in the coordinates of the sampler, shape (n, dim).
        describe: function from the position of a peak to what a user knows it by, such as "log10_mbh = 8.1".

    Returns:
        Verdict. A peak that no chain visited counts if Laplace's approximation gives it more than a hundredth.

    """
    visited = peaks.visited(draws)
    share = np.bincount(peaks.distances(draws).argmin(axis=0), minlength=len(visited)) / len(draws)
    names = [describe(position) for position in peaks.position]
    warnings: tuple[str, ...] = ()
    if visited.sum() > 1:
        parts = [f"{name} with {share[i]:.0%} of the draws" for i, name in enumerate(names) if visited[i]]
        warnings = (f"the posterior has {len(parts)} peaks: {_listed(parts)}",)
    missed = [i for i in np.flatnonzero(~visited) if peaks.expected_share[i] > LEAST_SHARE]
    for i in missed:
        warnings += (
            f"not converged: no chain visited the peak at {names[i]}, which holds about "
            f"{peaks.expected_share[i]:.0%} of the posterior: fit each peak with priors that exclude the others, and "
            "weigh the fits with steelyard compare --models",
        )
    return PeaksFound(not missed, warnings)


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1]
