"""What a sampling run returns."""

from dataclasses import dataclass

import numpy as np

from sampler.checkpoint import SamplerState
from sampler.diagnostics import Summary, suspect_chains


@dataclass(frozen=True)
class SamplingResult:
    """Outcome of `sample`.

    Attributes:
        draws: (chain, draw, dim) unconstrained, after warm-up, in the dtype of the start.
        log_density: (chain, draw).
        summary: diagnostics of the monitored quantities (of z without a monitor).
        converged: R-hat and ESS reached their targets.
        acceptance: (chain,) mean acceptance probability while sampling.
        step_size: frozen eps.
        factor: (dim, dim) L; the preconditioner is S = L L^T.
        n_gradients: gradient evaluations, chains counted singly, mode search included.
        warmup_seconds, sampling_seconds: wall-clock time, compilation included.
        suspect_chains: chains whose log-density lies far below the best chain's: stuck in a minor mode.
    """

    draws: np.ndarray
    log_density: np.ndarray
    summary: Summary
    converged: bool
    acceptance: np.ndarray
    step_size: float
    factor: np.ndarray
    n_gradients: int
    warmup_seconds: float
    sampling_seconds: float
    suspect_chains: tuple[int, ...]

    @property
    def preconditioner(self) -> np.ndarray:
        """S = L L^T, (dim, dim)."""
        return self.factor @ self.factor.T


def result_of(state: SamplerState, summary: Summary) -> SamplingResult:
    """Result of a run that ended in `state`."""
    log_density = state.draw_log_density.T
    steps = len(log_density.T)
    return SamplingResult(
        draws=np.swapaxes(state.draws, 0, 1),
        log_density=log_density,
        summary=summary,
        converged=summary.converged,
        acceptance=state.acceptance / max(steps, 1),
        step_size=float(np.exp(state.step_size[0])),
        factor=state.factor,
        n_gradients=int(state.n_gradients),
        warmup_seconds=float(state.seconds[0]),
        sampling_seconds=float(state.seconds[1]),
        suspect_chains=suspect_chains(log_density),
    )
