"""Verdict on each start of the search: the same mode, a rival, a minor mode, or unfinished."""

from typing import Literal, NamedTuple

import numpy as np

from sampler.mode.curvature import Evaluate

Verdict = Literal["mode", "rival", "minor", "unfinished"]


class StartOutcome(NamedTuple):
    """Outcome of one start.

    Attributes:
        position: (dim,) end point.
        log_density: log-density there, -inf if it was never finite.
        verdict: "mode": the mode itself, or connected to it without a dip. "rival": a separate peak of
            comparable height: the posterior is multimodal. "minor": a separate peak so far below that it
            holds negligible mass; dropped. "unfinished": stopped while still climbing.
    """

    position: np.ndarray
    log_density: float
    verdict: Verdict


def negligible_gap(dim: int) -> float:
    """Depth below the mode at which a peak of any plausible width holds no mass: 10 + dim."""
    return 10.0 + dim


def distances(points: np.ndarray, centre: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Distance of points (n, dim) from the centre in whitened coordinates, that is in posterior widths, (n,)."""
    return np.linalg.norm(np.linalg.solve(factor, (points - centre).T), axis=0)


def _has_dip(evaluate: Evaluate, a: np.ndarray, b: np.ndarray, lower_end: float) -> bool:
    """Return whether the segment from a to b falls more than 3 below its lower end."""
    fractions = np.linspace(0.0, 1.0, 10)[1:-1, None]
    values, _ = evaluate(a + fractions * (b - a))
    return bool(values.min() < lower_end - 3.0)


def classify_starts(
    evaluate: Evaluate, ends: np.ndarray, values: np.ndarray, best: int, factor: np.ndarray
) -> tuple[StartOutcome, ...]:
    """Compare every end point, `ends` (n, dim) of log-density `values` (n,), with the best one.

    A start counts as converged when the gain that its gradient, whitened at the mode, promises is small compared
    with its gap to the mode.
    """
    dim = ends.shape[1]
    gaps = values[best] - values
    scores = np.zeros_like(ends)
    finite = np.isfinite(values)
    scores[finite] = evaluate(ends[finite])[1] @ factor
    near = distances(ends, ends[best], factor) < np.sqrt(dim)
    verdicts: list[Verdict] = []
    for i, (end, gap) in enumerate(zip(ends, gaps, strict=True)):
        promise = 0.5 * float(scores[i] @ scores[i])
        if i == best or (near[i] and gap < 3.0):
            verdicts.append("mode")
        elif not finite[i] or promise > max(1.0, 0.1 * gap):
            verdicts.append("unfinished")
        elif gap > negligible_gap(dim):
            verdicts.append("minor")
        elif _has_dip(evaluate, ends[best], end, float(values[i])):
            verdicts.append("rival")
        else:
            verdicts.append("mode")
    return tuple(
        StartOutcome(end, float(value), verdict) for end, value, verdict in zip(ends, values, verdicts, strict=True)
    )
