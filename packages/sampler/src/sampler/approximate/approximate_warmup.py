"""Warm-up on the approximation, the pilot: start, preconditioner, step size and archive for the run proper.

MALA on the approximation finds preconditioner and step size. An archive of its draws then lets a second set of chains
mix by long moves, and their draws replace the archive until they mix well. The density itself is evaluated only where
these chains end, to see whether the approximation is good there; if it is not, and can be refined from draws, it is.

Where starts of the mode search ended on rivals of the mode, some chains of the first round begin there, and the first
archive holds draws of the Gaussians there: the chains of all peaks then exchange places, in proportion to their mass.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from sampler.approximate import delayed_acceptance
from sampler.approximate.archive_rounds import Mixed, Rounds, mix
from sampler.chains import mala
from sampler.chains.adaptation import window_ends
from sampler.chains.config import MalaConfig
from sampler.chains.driver import drive
from sampler.chains.result import SamplingResult
from sampler.chains.start import initial_state
from sampler.chains.state import DELAYED_ACCEPTANCE, MALA, Chains, SamplerState, fresh_state
from sampler.density import Approximation, LogDensity, Monitor, evaluate, working_dtype
from sampler.devices import on_chain_devices
from sampler.mode.newton import Peak
from sampler.mode.search import Mode
from sampler.progress import Progress, ProgressCallback

_CHAINS = 16  # evaluated together, which a cheap density does at little more than the cost of one
_WARMUP, _MAX_STEPS = 1000, 3000
_TARGET_ESS, _TARGET_RHAT = 50.0, 1.2
_SHORTEST, _LONGEST = 10, 150  # bounds of a jump's length, which is one autocorrelation time on the approximation
_TUNING_BLOCKS = 4
_REFINEMENTS = 2
_AGREEMENT = 0.5  # standard deviation of the densities' difference; three jumps in four are then accepted


def tuning_config(config: MalaConfig) -> MalaConfig:
    """Settings of the run after a pilot: a short warm-up that tunes the step size alone."""
    return replace(config, n_warmup=_TUNING_BLOCKS * config.block)


def approximate_warmup(
    log_density: LogDensity,
    approximation: Approximation,
    init: Mode | ArrayLike,
    config: MalaConfig,
    args: tuple[Any, ...],
    monitor: Monitor | None,
    progress: ProgressCallback | None,
) -> tuple[SamplerState, Approximation]:
    """Sample the approximation, and refine it where it is poor.

    Args:
        log_density: the density itself.
        approximation: cheap approximation of it.
        init: start, as for `sample`.
        config: settings of the run proper.
        args: further arguments of the density.
        monitor: the quantities whose convergence counts.
        progress: called after every block and round.

    Returns:
        State before the first step of the run proper, and the approximation to propose jumps with.

    Raises:
        ValueError: the density is finite at no point where a chain of the pilot ended.
    """
    pilot = _pilot(approximation, init, config, monitor, progress)
    began = time.perf_counter()
    rounds = Rounds(pilot.factor, pilot.step_size, config.seed, monitor, progress)
    rivals = init.rivals if isinstance(init, Mode) else ()
    mixed = mix(approximation, _with_rivals(pilot.draws, rivals, config.seed), rounds, 0)
    values, gradients = evaluate(log_density, mixed.ends, args, config.n_chains)
    n_gradients = len(values)
    for refinement in range(1, _REFINEMENTS + 1):
        if approximation.refine is None or _disagreement(approximation, mixed.ends, values) < _AGREEMENT:
            break
        better = approximation.refine(mixed.draws.reshape(-1, mixed.draws.shape[-1]))
        approximation = approximation._replace(args=better)
        mixed = mix(approximation, mixed.draws, rounds, refinement)
        values, gradients = evaluate(log_density, mixed.ends, args, config.n_chains)
        n_gradients += len(values)
    chains = _chosen_ends(mixed, values, gradients, pilot.factor, config.n_chains)
    seconds = pilot.warmup_seconds + pilot.sampling_seconds + time.perf_counter() - began
    n_steps = np.clip(np.ceil(mixed.autocorrelation_time), _SHORTEST, _LONGEST)
    kernels = {
        MALA: mala.init(float(np.log(pilot.step_size)), len(pilot.factor)),
        DELAYED_ACCEPTANCE: delayed_acceptance.init(pilot.step_size, float(n_steps), mixed.archive),
    }
    return fresh_state(chains, pilot.factor, kernels, n_gradients, seconds), approximation


def _pilot(
    approximation: Approximation,
    init: Mode | ArrayLike,
    config: MalaConfig,
    monitor: Monitor | None,
    progress: ProgressCallback | None,
) -> SamplingResult:
    """Run MALA on the approximation."""
    settings = replace(
        config,
        n_chains=max(_CHAINS, config.n_chains),
        n_warmup=max(_WARMUP, config.n_warmup),
        block=100,
        thin=1,
        max_steps=_MAX_STEPS,
        max_seconds=None,
        target_ess=_TARGET_ESS,
        target_rhat=_TARGET_RHAT,
    )
    log_density, args = approximation.log_density, on_chain_devices(approximation.args, settings.n_chains)
    start = _pilot_start(approximation, init, config.n_chains, settings)
    state = initial_state(log_density, start, settings, args)
    windows = frozenset(window_ends(settings.warmup_steps, settings.block))
    kernel = mala.build_kernel(log_density, args, settings.block, warmup_steps=settings.warmup_steps, windows=windows)
    return drive([kernel], state, settings, monitor=monitor, progress=_pilot_progress(progress, settings))


def _pilot_start(
    approximation: Approximation, init: Mode | ArrayLike, n_chains: int, settings: MalaConfig
) -> Mode | np.ndarray:
    """Start of the pilot, given the start of the run proper with its `n_chains` chains."""
    if isinstance(init, Mode):
        values, _ = evaluate(approximation.log_density, init.position[None], approximation.args, settings.n_chains)
        return replace(init, log_density=float(values[0]))
    points = np.asarray(init)
    if points.ndim == 2 and len(points) == n_chains:
        points = np.resize(points, (settings.n_chains, points.shape[1]))
    return points


def _pilot_progress(progress: ProgressCallback | None, settings: MalaConfig) -> ProgressCallback | None:
    """Callback that reports warm-up and sampling of the pilot as one phase."""
    if progress is None:
        return None

    def report(callback: ProgressCallback, at: Progress) -> None:
        step = at.step + (settings.warmup_steps if at.phase == "sampling" else 0)
        callback(at._replace(phase="pilot", step=step, total=settings.warmup_steps + settings.sampling_steps))

    return partial(report, progress)


def _with_rivals(draws: np.ndarray, rivals: Sequence[Peak], seed: int) -> np.ndarray:
    """Draws (chain, step, dim) of the pilot, with an equal share of the chains for the mode and for each rival."""
    rng = np.random.default_rng([seed, 2])
    draws, share = draws.copy(), len(draws) // (len(rivals) + 1)
    for i, rival in enumerate(rivals):
        chains = draws[i * share : (i + 1) * share]
        chains[:] = rival.position + rng.standard_normal(chains.shape) @ rival.factor.T
    return draws


def _disagreement(approximation: Approximation, points: np.ndarray, values: np.ndarray) -> float:
    """Standard deviation over points (n, dim) of the density `values` (n,) less the approximation."""
    near, _ = evaluate(approximation.log_density, points, approximation.args, len(points))
    difference = (values - near)[np.isfinite(values)]
    return float(np.std(difference)) if len(difference) else 0.0


def _chosen_ends(
    mixed: Mixed, values: np.ndarray, gradients: np.ndarray, factor: np.ndarray, n_chains: int
) -> Chains:
    """Chains that start where those of the approximation ended and the density is finite."""
    usable = np.flatnonzero(np.isfinite(values))
    if not len(usable):
        raise ValueError("the log-density is finite nowhere that its approximation led: the approximation is wrong")
    chosen = np.resize(usable, n_chains)
    position = mixed.ends[chosen].astype(working_dtype(mixed.ends))
    return Chains(position, values[chosen], gradients[chosen] @ factor)
