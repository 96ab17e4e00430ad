"""What a sampling run returns."""

from dataclasses import dataclass

import numpy as np

from sampler.chains.checkpoint import SamplerState
from sampler.diagnostics import Summary, suspect_chains


@dataclass(frozen=True)
class SamplingResult:
    """Outcome of `sample`.

    Attributes:
        draws: (chain, draw, dim) unconstrained, after warm-up, in the dtype of the start.
        log_density: (chain, draw).
        summary: diagnostics of the monitored quantities (of z without a monitor).
        converged: R-hat and ESS reached their targets.
        acceptance: (chain,) mean acceptance probability while sampling,
        jump_acceptance: and that of the jumps; None without an approximation.
        step_size: frozen eps.
        factor: (dim, dim) L; the preconditioner is S = L L^T.
        n_jumps: jumps, chains counted singly; each evaluates the density without its gradient.
        n_gradients: gradient evaluations, chains counted singly, mode search included; of the density itself,
            not of its approximation.
        warmup_seconds, sampling_seconds: wall-clock time, compilation included.
        suspect_chains: chains whose log-density lies far below the best chain's: stuck in a minor mode.
    """

    draws: np.ndarray
    log_density: np.ndarray
    summary: Summary
    converged: bool
    acceptance: np.ndarray
    jump_acceptance: np.ndarray | None
    step_size: float
    factor: np.ndarray
    n_jumps: int
    n_gradients: int
    warmup_seconds: float
    sampling_seconds: float
    suspect_chains: tuple[int, ...]

    @property
    def preconditioner(self) -> np.ndarray:
        """S = L L^T, (dim, dim)."""
        return self.factor @ self.factor.T


def result_of(state: SamplerState, summary: Summary, n_blocks: int) -> SamplingResult:
    """Result of a run that ended in `state`, after `n_blocks` blocks of sampling."""
    log_density = state.draw_log_density.T
    return SamplingResult(
        draws=np.swapaxes(state.draws, 0, 1),
        log_density=log_density,
        summary=summary,
        converged=summary.converged,
        acceptance=state.acceptance / n_blocks,
        jump_acceptance=state.jump_acceptance / n_blocks if state.jump[1] > 0 else None,
        step_size=float(np.exp(state.step_size[0])),
        factor=state.factor,
        n_jumps=int(state.n_jumps),
        n_gradients=int(state.n_gradients),
        warmup_seconds=float(state.seconds[0]),
        sampling_seconds=float(state.seconds[1]),
        suspect_chains=suspect_chains(log_density),
    )
