"""Progress reports, passed to a callback; the library itself never prints."""

from collections.abc import Callable
from typing import Literal, NamedTuple

Phase = Literal["optimise", "pilot", "archive", "warmup", "sampling", "evidence"]


class Progress(NamedTuple):
    """Report on a run between two blocks; None where a quantity is not known (yet).

    Attributes:
        phase: part of the run; "pilot" and "archive" sample the approximation, "evidence" is bridge sampling.
        step: steps done in this phase.
        total: steps at which this phase ends at the latest.
        log_density: highest value among starts (optimise) or mean over chains.
        acceptance: mean acceptance probability of the last block, all chains.
        step_size: eps of MALA, in whitened units.
        rhat: largest rank-normalised split R-hat at the last check.
        min_ess: smallest bulk or tail effective sample size at the last check.
        gradients_per_second: gradient evaluations per second, chains counted singly.
        jump_acceptance: mean acceptance probability of the jumps in the last block.
        seconds_left: estimate for this phase; while sampling, from the effective sample sizes at the last check.
    """

    phase: Phase
    step: int
    total: int
    log_density: float | None = None
    acceptance: float | None = None
    step_size: float | None = None
    rhat: float | None = None
    min_ess: float | None = None
    gradients_per_second: float | None = None
    jump_acceptance: float | None = None
    seconds_left: float | None = None


ProgressCallback = Callable[[Progress], None]
