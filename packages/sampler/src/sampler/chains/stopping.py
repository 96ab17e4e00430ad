"""Stopping rule of a run: convergence checks on a fixed schedule, and the budget."""

import numpy as np

from sampler.chains.config import MalaConfig
from sampler.chains.state import SamplerState
from sampler.density import Monitor
from sampler.diagnostics import Summary, summarize

FIRST_CHECK = 200
_CHECK_GROWTH = 1.15
_MIN_DRAWS = 4  # for split R-hat


class StoppingRule:
    """Decides after every block whether a run is over.

    Args:
        config: targets and budget.
        monitor: the quantities that are diagnosed; z itself if None.
        first_check: sampling steps before the first convergence check; later ones follow at growing intervals.

    Attributes:
        summary: the last diagnostics; None before the first check.
    """

    def __init__(self, config: MalaConfig, monitor: Monitor | None, first_check: int) -> None:
        self._config, self._monitor, self._first_check = config, monitor, first_check
        self._monitored: list[np.ndarray] = []
        self.summary: Summary | None = None

    def finished(self, state: SamplerState) -> Summary | None:
        """Diagnostics if the run is over, None if it should go on."""
        config = self._config
        done = int(state.step) - config.warmup_steps
        over = done >= config.sampling_steps
        enough = len(state.draws) >= _MIN_DRAWS
        if config.max_seconds is not None and done > 0 and enough:
            over = over or float(state.seconds.sum()) > config.max_seconds
        if over or (enough and self._is_check(done)):
            self.summary = self._diagnose(state)
            if over or self.summary.converged:
                return self.summary
        return None

    def _is_check(self, done: int) -> bool:
        """Return whether a check is due after `done` steps; the schedule is fixed, for exact resumption."""
        due: float = self._first_check
        while due <= done - self._config.block:
            due *= _CHECK_GROWTH
        return due <= done

    def _diagnose(self, state: SamplerState) -> Summary:
        """Diagnostics of all draws (draw, chain, dim) so far."""
        draws = state.draws
        if self._monitor is not None:
            # Block by block and only once, so that one shape is compiled and no draw is done twice.
            size = self._config.block // self._config.thin
            for start in range(size * len(self._monitored), len(draws), size):
                self._monitored.append(self._monitor.of(draws[start : start + size]))
            draws = np.concatenate(self._monitored)
        return summarize(
            np.swapaxes(draws, 0, 1), target_rhat=self._config.target_rhat, target_ess=self._config.target_ess
        )
