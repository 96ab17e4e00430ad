"""Progress reports from the state of a run."""

import time

import numpy as np

from sampler.chains.config import MalaConfig
from sampler.chains.state import DELAYED_ACCEPTANCE, MALA, BlockInfo, SamplerState
from sampler.diagnostics import Summary
from sampler.progress import Progress


class ProgressReporter:
    """Makes a `Progress` of the state after each block, with rates since the first one."""

    def __init__(self, config: MalaConfig) -> None:
        self._config = config
        self._began: tuple[float, int, int] | None = None

    def progress(self, state: SamplerState, infos: dict[str, BlockInfo], summary: Summary | None) -> Progress:
        """Progress after a block.

        Args:
            state: after the block.
            infos: records of the block, by kernel name.
            summary: the last diagnostics; None before the first.
        """
        config = self._config
        now, at, gradients = time.perf_counter(), int(state.step), int(state.n_gradients)
        if self._began is None:
            self._began = (now, at, gradients)  # after the first block, so that compilation does not count
        began, began_at, began_gradients = self._began
        elapsed = now - began
        known = at > began_at and elapsed > 0
        done = at - config.warmup_steps
        warming = done <= 0
        step, total = (at, config.warmup_steps) if warming else (done, config.sampling_steps)
        ess = None if warming or summary is None else summary.min_ess
        goal = total if warming else self._expected_end(step, total, ess)
        mean = float(np.mean(state.chains.log_density))
        jumps = infos.get(DELAYED_ACCEPTANCE)
        return Progress(
            "warmup" if warming else "sampling",
            step,
            total,
            log_density=mean if np.isfinite(mean) else None,
            acceptance=float(infos[MALA].acceptance.mean()),
            step_size=float(np.exp(state.kernels[MALA]["step_size"][0])),
            rhat=None if warming or summary is None or not np.isfinite(summary.max_rhat) else summary.max_rhat,
            min_ess=ess,
            gradients_per_second=(gradients - began_gradients) / elapsed if known else None,
            seconds_left=(goal - step) * elapsed / (at - began_at) if known and goal is not None else None,
            jump_acceptance=None if jumps is None else float(jumps.acceptance.mean()),
        )

    def _expected_end(self, step: int, total: int, ess: float | None) -> int | None:
        """Step at which sampling should reach its ESS; None while there is no effective sample size to go by."""
        if ess is None or not ess > 0:
            return None
        return min(total, max(step, int(step * self._config.target_ess / ess)))
