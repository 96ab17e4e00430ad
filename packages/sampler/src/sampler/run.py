"""Warm up, freeze, sample until converged, with progress and checkpoints."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import DualAveragingAdaptationState
from jax import Array
from jax.typing import ArrayLike

from sampler.adaptation import freeze_step_size, renew, step_size_start, window_ends
from sampler.checkpoint import Checkpoint, SamplerState, load_checkpoint, save_checkpoint
from sampler.config import MalaConfig
from sampler.density import LogDensity
from sampler.diagnostics import Summary, summarize
from sampler.initial import initial_state
from sampler.mala import Chains, block_program
from sampler.optimise import Mode
from sampler.progress import Progress, ProgressCallback
from sampler.result import SamplingResult, result_of

_FIRST_CHECK = 200
_CHECK_GROWTH = 1.15


def sample(
    log_density: LogDensity,
    init: Mode | ArrayLike,
    config: MalaConfig | None = None,
    *,
    args: tuple[Any, ...] = (),
    monitor: Callable[[Array], Array] | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
) -> SamplingResult:
    """Sample a log-density by preconditioned MALA until it has converged or the budget is spent.

    A run interrupted by any exception, Ctrl-C included, saves its checkpoint and raises it again; the
    same call with the same checkpoint file goes on and ends with the same draws, bit for bit.

    Args:
        log_density: `log_density(z, *args)`, scalar, differentiable by JAX. Points where value or gradient
            are not finite are rejected.
        init: from `find_mode` (its curvature is the first preconditioner), or unconstrained points: (dim,)
            near the mode, or (n_chains, dim). Their dtype is the one the chains work in. Not used when a
            checkpoint is resumed.
        config: settings; `MalaConfig()` if None.
        args: further arguments of the density; traced, so that new data of the same shapes compile nothing.
        monitor: z (dim,) -> (k,), the quantities whose R-hat and ESS decide; z itself by default.
        progress: called after every block.
        checkpoint: file to save to and to resume from; none by default.
        fingerprint: identifies data and model; a checkpoint with another one is refused.

    Raises:
        ValueError: if the start has no finite density, or the checkpoint is damaged or of another run.
    """
    config = config or MalaConfig()
    state = _resume(checkpoint, fingerprint, config)
    if state is None:
        state = initial_state(log_density, init, config, args)
    run = _Run(log_density, config, args, monitor)
    saved_at = time.monotonic()
    try:
        while (summary := run.finished(state)) is None:
            state, acceptance = run.advance(state)
            if progress is not None:
                progress(run.describe(state, acceptance))
            if checkpoint is not None and time.monotonic() - saved_at > config.checkpoint_seconds:
                save_checkpoint(checkpoint, Checkpoint(fingerprint, config.identity, state))
                saved_at = time.monotonic()
    finally:
        if checkpoint is not None:
            save_checkpoint(checkpoint, Checkpoint(fingerprint, config.identity, state))
    return result_of(state, summary)


def _resume(path: str | os.PathLike[str] | None, fingerprint: str, config: MalaConfig) -> SamplerState | None:
    if path is None or not Path(path).exists():
        return None
    found = load_checkpoint(path)
    if found.fingerprint != fingerprint:
        raise ValueError(f"{path}: checkpoint of another model or data; delete it or choose another file")
    if found.config != config.identity:
        raise ValueError(f"{path}: checkpoint of another sampler configuration; delete it or restore the settings")
    return found.state


class _Run:
    """The fixed parts of a run: the compiled block, the schedule, the monitored quantities."""

    def __init__(
        self,
        log_density: LogDensity,
        config: MalaConfig,
        args: tuple[Any, ...],
        monitor: Callable[[Array], Array] | None,
    ) -> None:
        self.config, self.args = config, args
        self.program = block_program(log_density, config.block)
        self.windows = frozenset(window_ends(config.warmup_steps, config.block))
        self.monitor = None if monitor is None else jax.jit(jax.vmap(jax.vmap(monitor)))
        self.monitored: list[np.ndarray] = []
        self.summary: Summary | None = None
        self.began: tuple[float, int] | None = None

    def finished(self, state: SamplerState) -> Summary | None:
        """Diagnostics if the run is over, None if it should go on."""
        config = self.config
        done = int(state.step) - config.warmup_steps
        over = done >= config.sampling_steps
        if config.max_seconds is not None and done > 0 and len(state.draws) >= 4:
            over = over or float(state.seconds.sum()) > config.max_seconds
        if over or (len(state.draws) >= 4 and self._is_check(done)):
            self.summary = self._diagnose(state)
            if over or self.summary.converged:
                return self.summary
        return None

    def _is_check(self, done: int) -> bool:
        """Whether diagnostics are due after `done` steps: a schedule fixed in advance, for exact resumption."""
        due: float = _FIRST_CHECK
        while due <= done - self.config.block:
            due *= _CHECK_GROWTH
        return due <= done

    def _diagnose(self, state: SamplerState) -> Summary:
        draws = state.draws
        if self.monitor is not None:
            # Block by block and only once, so that one shape is compiled and no draw is done twice.
            size = self.config.block // self.config.thin
            for start in range(size * len(self.monitored), len(draws), size):
                self.monitored.append(np.asarray(self.monitor(jnp.asarray(draws[start : start + size]))))
            draws = np.concatenate(self.monitored)
        return summarize(
            np.swapaxes(draws, 0, 1), target_rhat=self.config.target_rhat, target_ess=self.config.target_ess
        )

    def advance(self, state: SamplerState) -> tuple[SamplerState, np.ndarray]:
        """Run one block; return the new state and the mean acceptance of each chain in it."""
        config = self.config
        began = time.perf_counter()
        warming = int(state.step) < config.warmup_steps
        as_float = partial(jnp.asarray, dtype=jnp.result_type(float))
        block = self.program(
            Chains(jnp.asarray(state.position), as_float(state.log_density), as_float(state.score)),
            DualAveragingAdaptationState(*as_float(state.step_size)),
            as_float(state.factor),
            jax.random.fold_in(jax.random.key(config.seed), int(state.step)),
            jnp.asarray(warming),
            self.args,
        )
        acceptance = np.asarray(block.acceptance, np.float64)
        new = state._replace(
            step=state.step + config.block,
            position=np.asarray(block.chains.position),
            log_density=np.asarray(block.chains.log_density),
            score=np.asarray(block.chains.score),
            step_size=np.asarray(jnp.stack(block.step_size)),
            n_gradients=state.n_gradients + config.block * config.n_chains,
        )
        if warming:
            new = self._adapt(new, block)
        else:
            kept = slice(config.thin - 1, None, config.thin)
            new = new._replace(
                acceptance=state.acceptance + acceptance * (config.block // config.thin),
                draws=np.concatenate([state.draws, np.asarray(block.positions)[kept]]),
                draw_log_density=np.concatenate([state.draw_log_density, np.asarray(block.log_densities)[kept]]),
            )
        spent = np.array([1.0, 0.0] if warming else [0.0, 1.0]) * (time.perf_counter() - began)
        return new._replace(seconds=state.seconds + spent), acceptance

    def _adapt(self, state: SamplerState, block: Any) -> SamplerState:
        fisher = state.fisher + np.asarray(block.fisher, np.float64)
        count = state.fisher_count + self.config.block * self.config.n_chains
        state = state._replace(fisher=fisher, fisher_count=count)
        if int(state.step) in self.windows:
            factor, score = renew(state.factor, state.score, fisher, int(count))
            state = state._replace(
                factor=factor,
                score=score,
                fisher=np.zeros_like(fisher),
                fisher_count=np.array(0),
                step_size=step_size_start(float(state.step_size[1])),
            )
        if int(state.step) == self.config.warmup_steps:
            state = state._replace(step_size=freeze_step_size(state.step_size))
        return state

    def describe(self, state: SamplerState, acceptance: np.ndarray) -> Progress:
        """What the callback is told."""
        config = self.config
        now, gradients = time.perf_counter(), int(state.n_gradients)
        if self.began is None:
            self.began = (now, gradients)  # after the first block, so that compilation does not count
        elapsed = now - self.began[0]
        rate = (gradients - self.began[1]) / elapsed if gradients > self.began[1] and elapsed > 0 else None
        done = int(state.step) - config.warmup_steps
        warming = done <= 0
        step, total = (int(state.step), config.warmup_steps) if warming else (done, config.sampling_steps)
        goal, rhat, ess = total, None, None
        if not warming and self.summary is not None:
            rhat = self.summary.max_rhat if np.isfinite(self.summary.max_rhat) else None
            ess = self.summary.min_ess
            if ess > 0:
                goal = min(total, max(step, int(step * config.target_ess / ess)))
        mean = float(np.mean(state.log_density))
        return Progress(
            "warmup" if warming else "sampling",
            step,
            total,
            log_density=mean if np.isfinite(mean) else None,
            acceptance=float(acceptance.mean()),
            step_size=float(np.exp(state.step_size[0])),
            rhat=rhat,
            min_ess=ess,
            gradients_per_second=rate,
            seconds_left=None if rate is None else (goal - step) * config.n_chains / rate,
        )
