"""Result of a sampling run."""

from dataclasses import dataclass

import numpy as np

from sampler.chains.state import DELAYED_ACCEPTANCE, MALA, SamplerState
from sampler.diagnostics import Summary, suspect_chains


@dataclass(frozen=True)
class SamplingResult:
    """Outcome of `sample`.

    Attributes:
        draws: (chain, draw, dim) unconstrained, after warm-up, in the dtype of the start.
        log_density: (chain, draw) at the draws.
        summary: diagnostics of the monitored quantities (of z without a monitor).
        converged: whether R-hat and ESS reached their targets.
        acceptance: (chain,) mean acceptance probability of MALA steps while sampling.
        jump_acceptance: (chain,) that of the jumps; None without an approximation.
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
    jumps = state.acceptance.get(DELAYED_ACCEPTANCE)
    return SamplingResult(
        draws=np.swapaxes(state.draws, 0, 1),
        log_density=log_density,
        summary=summary,
        converged=summary.converged,
        acceptance=state.acceptance[MALA] / n_blocks,
        jump_acceptance=None if jumps is None else jumps / n_blocks,
        step_size=float(np.exp(state.kernels[MALA]["step_size"][0])),
        factor=state.factor,
        n_jumps=int(state.n_values),
        n_gradients=int(state.n_gradients),
        warmup_seconds=float(state.seconds[0]),
        sampling_seconds=float(state.seconds[1]),
        suspect_chains=suspect_chains(log_density),
    )
