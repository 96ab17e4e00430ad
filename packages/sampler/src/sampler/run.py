"""Warm up, freeze, sample until converged, with progress and checkpoints."""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import DualAveragingAdaptationState
from jax import Array
from jax.typing import ArrayLike

from sampler.approximate.approximate_warmup import (
    pilot_config,
    pilot_progress,
    pilot_start,
    state_after_pilot,
    tuning_config,
)
from sampler.approximate.delayed_acceptance import Jump, JumpBlock, jump_program
from sampler.approximate.kernel_moves import Archive
from sampler.chains.adaptation import freeze_step_size, step_size_start, update_preconditioner, window_ends
from sampler.chains.checkpoint import Checkpoint, SamplerState, load_checkpoint, save_checkpoint
from sampler.chains.config import MalaConfig
from sampler.chains.mala import Chains, block_program
from sampler.chains.result import SamplingResult, result_of
from sampler.chains.start import initial_state
from sampler.density import Approximation, LogDensity, Monitor, evaluate
from sampler.devices import on_chain_devices
from sampler.diagnostics import Summary, summarize
from sampler.mode.search import Mode
from sampler.progress import Progress, ProgressCallback

_FIRST_CHECK = 200
_FIRST_CHECK_OF_JUMPS = 100
_CHECK_GROWTH = 1.15
_SAME_DENSITY = 0.1  # of a log-density; programs and machines that round differently stay far below
_STEPS_PER_MALA_STEP = 5  # with an approximation the others are jumps, which need no gradient


def sample(
    log_density: LogDensity,
    init: Mode | ArrayLike,
    config: MalaConfig | None = None,
    *,
    args: tuple[Any, ...] = (),
    approximation: Approximation | None = None,
    monitor: Monitor | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
) -> SamplingResult:
    """Sample a log-density by preconditioned MALA until it has converged or the budget is spent.

    With an approximation that is much cheaper than the density, a pilot run samples that first. It provides starting
    points, preconditioner and step size, so that only a short tuning is left, and has the approximation refined where
    it is poor. Four in five steps are then jumps: a chain on the approximation about as long as its autocorrelation
    time, accepted or rejected by the density itself. The draws are those of the density, whatever the approximation;
    only their worth depends on it.

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
        approximation: cheap stand-in for the density, equal to it up to a constant as nearly as may be.
        monitor: the quantities whose R-hat and ESS decide; z itself by default.
        progress: called after every block.
        checkpoint: file to save to and to resume from; none by default.
        fingerprint: identifies data and model; a checkpoint with another one is refused.

    Raises:
        ValueError: if the start has no finite density, the checkpoint is damaged or of another run or density, or a
            block is too short for jumps.
    """
    config = config or MalaConfig()
    if approximation is not None and config.block < 2:
        raise ValueError(
            f"block = {config.block}: with an approximation it must be at least 2, for jumps and for MALA steps"
        )
    pilot_settings = pilot_config(config)
    if approximation is not None:
        config = tuning_config(config)
    args = on_chain_devices(args, config.n_chains)
    state = _resume(checkpoint, fingerprint, config)
    if state is not None:
        _check_density(log_density, args, state, checkpoint)
    if state is None and approximation is not None:
        pilot = _pilot(approximation, init, pilot_settings, config.n_chains, monitor, progress)
        state, approximation = state_after_pilot(log_density, approximation, pilot, config, args, monitor, progress)
    elif state is None:
        state = initial_state(log_density, init, config, args)
    run = _Run(log_density, config, args, monitor, approximation)
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
    return result_of(state, summary, (int(state.step) - config.warmup_steps) // config.block)


def _pilot(
    approximation: Approximation,
    init: Mode | ArrayLike,
    config: MalaConfig,
    n_chains: int,
    monitor: Monitor | None,
    progress: ProgressCallback | None,
) -> SamplingResult:
    return sample(
        approximation.log_density,
        pilot_start(approximation, init, n_chains, config),
        config,
        args=approximation.args,
        monitor=monitor,
        progress=pilot_progress(progress, config),
    )


def _resume(path: str | os.PathLike[str] | None, fingerprint: str, config: MalaConfig) -> SamplerState | None:
    if path is None or not Path(path).exists():
        return None
    found = load_checkpoint(path)
    if found.fingerprint != fingerprint:
        raise ValueError(f"{path}: checkpoint of another model or data; delete it or choose another file")
    if found.config != config.identity:
        raise ValueError(f"{path}: checkpoint of another sampler configuration; delete it or restore the settings")
    return found.state


def _check_density(
    log_density: LogDensity, args: tuple[Any, ...], state: SamplerState, path: str | os.PathLike[str] | None
) -> None:
    """Refuse to go on with chains of another density, as after an update of the code that computes it."""
    values, _ = evaluate(log_density, state.position, args, len(state.position))
    change = float(np.max(np.abs(values - state.log_density)))
    if not change <= _SAME_DENSITY:
        raise ValueError(
            f"{path}: the log-density has changed by {change:.3g} where its chains stand; delete it to start afresh"
        )


def _as_float(array: np.ndarray) -> Array:
    return jnp.asarray(array, jnp.result_type(float))


class Acceptance(NamedTuple):
    """Mean acceptance probability of each chain in a block, (chain,); of jumps None where there are none."""

    mala: np.ndarray
    jumps: np.ndarray | None


class _Run:
    """The fixed parts of a run: the compiled block, the schedule, the monitored quantities."""

    def __init__(
        self,
        log_density: LogDensity,
        config: MalaConfig,
        args: tuple[Any, ...],
        monitor: Monitor | None,
        approximation: Approximation | None,
    ) -> None:
        self.config, self.args = config, args
        self.log_density = log_density
        if approximation is None:
            self.approximation = None
            self.mala_steps = config.block
            self.windows = frozenset(window_ends(config.warmup_steps, config.block))
        else:
            self.approximation = approximation._replace(args=on_chain_devices(approximation.args, config.n_chains))
            self.mala_steps = max(1, config.block // _STEPS_PER_MALA_STEP)
            self.jumps = jump_program(log_density, approximation.log_density, config.block - self.mala_steps)
            self.windows = frozenset()  # the pilot's preconditioner stays
        self.mala = block_program(log_density, self.mala_steps)
        self.monitor = monitor
        self.monitored: list[np.ndarray] = []
        self.summary: Summary | None = None
        self.began: tuple[float, int, int] | None = None

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
        due: float = _FIRST_CHECK if self.approximation is None else _FIRST_CHECK_OF_JUMPS
        while due <= done - self.config.block:
            due *= _CHECK_GROWTH
        return due <= done

    def _diagnose(self, state: SamplerState) -> Summary:
        draws = state.draws
        if self.monitor is not None:
            # Block by block and only once, so that one shape is compiled and no draw is done twice.
            size = self.config.block // self.config.thin
            for start in range(size * len(self.monitored), len(draws), size):
                self.monitored.append(self.monitor.of(draws[start : start + size]))
            draws = np.concatenate(self.monitored)
        return summarize(
            np.swapaxes(draws, 0, 1), target_rhat=self.config.target_rhat, target_ess=self.config.target_ess
        )

    def advance(self, state: SamplerState) -> tuple[SamplerState, Acceptance]:
        """Run one block; return the new state and the acceptance in it."""
        config = self.config
        began = time.perf_counter()
        warming = int(state.step) < config.warmup_steps
        key = jax.random.fold_in(jax.random.key(config.seed), int(state.step))
        begin, jumps = state, None
        if self.approximation is not None:
            begin, jumps = self._jump(state, jax.random.fold_in(key, 0))
        block = self.mala(
            Chains(jnp.asarray(begin.position), _as_float(begin.log_density), _as_float(begin.score)),
            DualAveragingAdaptationState(*_as_float(state.step_size)),
            _as_float(state.factor),
            key,
            jnp.asarray(warming),
            self.args,
        )
        acceptance = Acceptance(
            np.asarray(block.acceptance, np.float64),
            None if jumps is None else np.asarray(jumps.acceptance, np.float64),
        )
        new = begin._replace(
            step=state.step + config.block,
            position=np.asarray(block.chains.position),
            log_density=np.asarray(block.chains.log_density),
            score=np.asarray(block.chains.score),
            step_size=np.asarray(jnp.stack(block.step_size)),
            n_gradients=begin.n_gradients + self.mala_steps * config.n_chains,
        )
        if warming:
            new = self._adapt(new, block)
        else:
            visited = [part for part in (jumps, block) if part is not None]
            positions, values = (
                np.concatenate([np.asarray(getattr(part, name)) for part in visited])[config.thin - 1 :: config.thin]
                for name in ("positions", "log_densities")
            )
            new = new._replace(
                acceptance=state.acceptance + acceptance.mala,
                jump_acceptance=state.jump_acceptance + (0.0 if acceptance.jumps is None else acceptance.jumps),
                draws=np.concatenate([state.draws, positions]),
                draw_log_density=np.concatenate([state.draw_log_density, values]),
            )
        spent = np.array([1.0, 0.0] if warming else [0.0, 1.0]) * (time.perf_counter() - began)
        return new._replace(seconds=state.seconds + spent), acceptance

    def _jump(self, state: SamplerState, key: Array) -> tuple[SamplerState, JumpBlock]:
        """All jumps of a block; the state after them has the gradients that MALA needs."""
        assert self.approximation is not None
        step_size, n_steps = state.jump
        archive = Archive(*map(_as_float, (state.archive_centre, state.archive_points, state.archive_projector)))
        jump = Jump(jnp.asarray(step_size), jnp.asarray(int(n_steps)), archive, self.approximation.args)
        origin = jnp.asarray(state.position)
        block = self.jumps(origin, _as_float(state.log_density), _as_float(state.factor), key, self.args, jump)
        position = np.array(block.positions[-1])
        values, gradients = evaluate(self.log_density, position, self.args, len(position))
        score = gradients @ state.factor
        # A chain whose gradient is not finite where it came to stays where it was, as after a MALA step.
        lost = ~np.isfinite(values)
        if lost.any():
            position[lost], values[lost], score[lost] = (
                part[lost] for part in (state.position, state.log_density, state.score)
            )
            block = block._replace(
                positions=jnp.where(lost[:, None], origin, block.positions),
                log_densities=jnp.where(lost, state.log_density, block.log_densities),
            )
        after = state._replace(
            position=position,
            log_density=values,
            score=score,
            n_gradients=state.n_gradients + len(position),
            n_jumps=state.n_jumps + len(block.positions) * len(position),
        )
        return after, block

    def _adapt(self, state: SamplerState, block: Any) -> SamplerState:
        fisher = state.fisher + np.asarray(block.fisher, np.float64)
        count = state.fisher_count + self.mala_steps * self.config.n_chains
        state = state._replace(fisher=fisher, fisher_count=count)
        if int(state.step) in self.windows:
            factor, score = update_preconditioner(state.factor, state.score, fisher, int(count))
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

    def describe(self, state: SamplerState, acceptance: Acceptance) -> Progress:
        """What the callback is told."""
        config = self.config
        now, at, gradients = time.perf_counter(), int(state.step), int(state.n_gradients)
        if self.began is None:
            self.began = (now, at, gradients)  # after the first block, so that compilation does not count
        elapsed = now - self.began[0]
        known = at > self.began[1] and elapsed > 0
        done = at - config.warmup_steps
        warming = done <= 0
        step, total = (at, config.warmup_steps) if warming else (done, config.sampling_steps)
        # Sampling ends once converged: before the first check of the draws nobody knows when.
        goal, rhat, ess = total if warming else None, None, None
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
            acceptance=float(acceptance.mala.mean()),
            step_size=float(np.exp(state.step_size[0])),
            rhat=rhat,
            min_ess=ess,
            gradients_per_second=(gradients - self.began[2]) / elapsed if known else None,
            seconds_left=(goal - step) * elapsed / (at - self.began[1]) if known and goal is not None else None,
            jump_acceptance=None if acceptance.jumps is None else float(acceptance.jumps.mean()),
        )
