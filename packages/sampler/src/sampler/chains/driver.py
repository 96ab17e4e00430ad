"""The driver: kernels in turn, block after block, until the run has converged or its budget is spent."""

import time
from collections.abc import Sequence

import jax
import numpy as np

from sampler.chains.checkpoint import CheckpointFile
from sampler.chains.config import MalaConfig
from sampler.chains.reporting import ProgressReporter
from sampler.chains.result import SamplingResult, result_of
from sampler.chains.state import BlockInfo, Kernel, SamplerState
from sampler.chains.stopping import FIRST_CHECK, StoppingRule
from sampler.density import Monitor
from sampler.progress import ProgressCallback


def drive(
    kernels: Sequence[Kernel],
    state: SamplerState,
    config: MalaConfig,
    *,
    monitor: Monitor | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: CheckpointFile | None = None,
    first_check: int = FIRST_CHECK,
) -> SamplingResult:
    """Advance a state by blocks of all kernels until the run is over.

    An exception, Ctrl-C included, leaves the last whole block in the checkpoint.

    Args:
        kernels: applied one after the other; their steps add up to `config.block`.
        state: where the run stands.
        config: settings of the run.
        monitor: the quantities whose R-hat and ESS decide; z itself by default.
        progress: called after every block.
        checkpoint: file to save to.
        first_check: sampling steps before the first convergence check.
    """
    rule, reporter = StoppingRule(config, monitor, first_check), ProgressReporter(config)
    saved_at = time.monotonic()
    try:
        while (summary := rule.finished(state)) is None:
            state, infos = advance(kernels, state, config)
            if progress is not None:
                progress(reporter.progress(state, infos, rule.summary))
            if checkpoint is not None and time.monotonic() - saved_at > config.checkpoint_seconds:
                checkpoint.save(state)
                saved_at = time.monotonic()
    finally:
        if checkpoint is not None:
            checkpoint.save(state)
    return result_of(state, summary, (int(state.step) - config.warmup_steps) // config.block)


def advance(
    kernels: Sequence[Kernel], state: SamplerState, config: MalaConfig
) -> tuple[SamplerState, dict[str, BlockInfo]]:
    """Run one block; return the state after it and the record of each kernel, by name."""
    began = time.perf_counter()
    warming = int(state.step) < config.warmup_steps
    key = jax.random.fold_in(jax.random.key(config.seed), int(state.step))
    chains, states = state.chains, dict(state.kernels)
    infos: dict[str, BlockInfo] = {}
    for kernel in kernels:
        own = kernel.state(**states[kernel.name])
        chains, own, infos[kernel.name] = kernel.step(key, chains, state.factor, own, warming)
        states[kernel.name] = own._asdict()
    state = state._replace(
        step=state.step + config.block,
        chains=chains,
        kernels=states,
        n_gradients=state.n_gradients + sum(info.n_gradients for info in infos.values()),
        n_values=state.n_values + sum(info.n_values for info in infos.values()),
    )
    state = _adapted(kernels, state) if warming else _with_draws(state, infos, config.thin)
    spent = np.array([1.0, 0.0] if warming else [0.0, 1.0]) * (time.perf_counter() - began)
    return state._replace(seconds=state.seconds + spent), infos


def _adapted(kernels: Sequence[Kernel], state: SamplerState) -> SamplerState:
    """State with all kernels adapted after a block of warm-up."""
    chains, factor, states = state.chains, state.factor, dict(state.kernels)
    for kernel in kernels:
        own = kernel.state(**states[kernel.name])
        chains, factor, own = kernel.adapt(int(state.step), chains, factor, own)
        states[kernel.name] = own._asdict()
    return state._replace(chains=chains, factor=factor, kernels=states)


def _with_draws(state: SamplerState, infos: dict[str, BlockInfo], thin: int) -> SamplerState:
    """State with the draws of a block of sampling appended, every `thin`-th step kept."""
    positions = np.concatenate([np.asarray(info.positions) for info in infos.values()])
    values = np.concatenate([np.asarray(info.log_densities) for info in infos.values()])
    return state._replace(
        acceptance={name: total + infos[name].acceptance for name, total in state.acceptance.items()},
        draws=np.concatenate([state.draws, positions[thin - 1 :: thin]]),
        draw_log_density=np.concatenate([state.draw_log_density, values[thin - 1 :: thin]]),
    )
