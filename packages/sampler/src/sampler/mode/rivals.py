"""Other peaks than the mode that starts ended on."""

from collections.abc import Sequence

import numpy as np

from sampler.mode.curvature import Evaluate
from sampler.mode.newton import Peak, newton
from sampler.mode.verdicts import StartOutcome, distances

MOST = 3
"""Peaks that are refined; each takes as long as the mode did."""


def rival_peaks(evaluate: Evaluate, starts: Sequence[StartOutcome], mode: Peak) -> tuple[Peak, ...]:
    """Return the peaks of the starts that ended on a rival, each once, the highest starts first.

    Args:
        evaluate: the log-density.
        starts: outcomes of the starts.
        mode: the highest peak.

    """
    found: list[Peak] = []
    rivals = [start for start in starts if start.verdict == "rival"]
    for start in sorted(rivals, key=lambda start: -start.log_density):
        if len(found) < MOST and not _is_known(start.position, [mode, *found]):
            peak = newton(evaluate, start.position, mode.factor)
            if not _is_known(peak.position, [mode, *found]):
                found.append(peak)
    return tuple(found)


def _is_known(position: np.ndarray, peaks: Sequence[Peak]) -> bool:
    return any(distances(position[None], peak.position, peak.factor)[0] < np.sqrt(len(position)) for peak in peaks)
