"""The pilot: sampling the approximation, for what the run proper then takes from it.

MALA finds preconditioner and step size. An archive of its draws then lets a second chain mix by long moves, and that
chain's draws replace the archive until it mixes well. It samples at a raised temperature, so that the archive reaches
beyond the tails. All of this happens on the approximation, before the run proper; the density is only asked where the
chains end, whether the approximation is good there. If it is not, and can be made better from draws, it is.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import mala
from jax import Array
from jax.typing import ArrayLike

from sampler.approximate.kernel_moves import Archive, archive_step, make_archive
from sampler.chains.checkpoint import SamplerState
from sampler.chains.config import MalaConfig
from sampler.chains.result import SamplingResult
from sampler.chains.start import fresh_state
from sampler.chains.whitening import unwhiten
from sampler.density import Approximation, LogDensity, Monitor, evaluate, guarded, working_dtype
from sampler.diagnostics import Summary, summarize
from sampler.mode.search import Mode
from sampler.progress import Progress, ProgressCallback

_CHAINS = 16  # evaluated together, which a cheap density does at little more than the cost of one
_WARMUP, _MAX_STEPS = 1000, 3000
_TARGET_ESS, _TARGET_RHAT = 50.0, 1.2
_ROUNDS, _ROUND_STEPS = 8, 400
_MIXED_ESS, _MIXED_RHAT = 200.0, 1.03  # of one round: the archive is good
_TEMPERATURE = 1.5
_SHORTEST, _LONGEST = 10, 150  # bounds of a jump's length, which is one autocorrelation time on the approximation
_TUNING_BLOCKS = 4
_REFINEMENTS = 2
_AGREEMENT = 0.5  # standard deviation of what the densities differ by; three jumps in four are then accepted


def pilot_config(config: MalaConfig) -> MalaConfig:
    """Settings of the pilot's MALA run."""
    return replace(
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


def tuning_config(config: MalaConfig) -> MalaConfig:
    """Settings of the run after a pilot: a short warm-up that tunes the step size alone."""
    return replace(config, n_warmup=_TUNING_BLOCKS * config.block)


def pilot_start(
    approximation: Approximation, init: Mode | ArrayLike, n_chains: int, settings: MalaConfig
) -> Mode | np.ndarray:
    """Where the pilot starts, given where the run proper was to start with its `n_chains` chains."""
    if isinstance(init, Mode):
        values, _ = evaluate(approximation.log_density, init.position[None], approximation.args, settings.n_chains)
        return replace(init, log_density=float(values[0]))
    points = np.asarray(init)
    if points.ndim == 2 and len(points) == n_chains:
        points = np.resize(points, (settings.n_chains, points.shape[1]))
    return points


def pilot_progress(progress: ProgressCallback | None, settings: MalaConfig) -> ProgressCallback | None:
    """Tell warm-up and sampling of the pilot as one phase."""
    if progress is None:
        return None

    def tell(callback: ProgressCallback, told: Progress) -> None:
        step = told.step + (settings.warmup_steps if told.phase == "sampling" else 0)
        callback(told._replace(phase="pilot", step=step, total=settings.warmup_steps + settings.sampling_steps))

    return partial(tell, progress)


class _Mixed(NamedTuple):
    """Draws (chain, step, dim) of the approximation, the archive that they were made with, and their worth."""

    draws: np.ndarray
    archive: Archive
    autocorrelation_time: float

    @property
    def ends(self) -> np.ndarray:
        """Where the chains end, (chain, dim)."""
        return self.draws[:, -1]


def state_after_pilot(
    log_density: LogDensity,
    approximation: Approximation,
    pilot: SamplingResult,
    config: MalaConfig,
    args: tuple[Any, ...],
    monitor: Monitor | None,
    progress: ProgressCallback | None,
) -> tuple[SamplerState, Approximation]:
    """State before the first step of the run proper, and the approximation that it jumps by.

    Raises:
        ValueError: the density is finite at no point where a chain of the pilot ended.
    """
    began = time.perf_counter()
    mixed = _mix(approximation, pilot.draws, pilot, 0, config.seed, monitor, progress)
    values, gradients = evaluate(log_density, mixed.ends, args, config.n_chains)
    n_gradients = len(values)
    for refinement in range(1, _REFINEMENTS + 1):
        if approximation.refine is None or _disagreement(approximation, mixed.ends, values) < _AGREEMENT:
            break
        better = approximation.refine(mixed.draws.reshape(-1, mixed.draws.shape[-1]))
        approximation = approximation._replace(args=better)
        mixed = _mix(approximation, mixed.draws, pilot, refinement, config.seed, monitor, progress)
        values, gradients = evaluate(log_density, mixed.ends, args, config.n_chains)
        n_gradients += len(values)
    usable = np.flatnonzero(np.isfinite(values))
    if not len(usable):
        raise ValueError("the log-density is finite nowhere that its approximation led: the approximation is wrong")
    chosen = np.resize(usable, config.n_chains)
    state = fresh_state(
        mixed.ends[chosen].astype(working_dtype(mixed.ends)),
        values[chosen],
        gradients[chosen],
        pilot.factor,
        float(np.log(pilot.step_size)),
        n_gradients,
    )
    n_steps = np.clip(np.ceil(mixed.autocorrelation_time), _SHORTEST, _LONGEST)
    state = state._replace(
        jump=np.array([pilot.step_size, n_steps]),
        archive_centre=np.asarray(mixed.archive.centre),
        archive_points=np.asarray(mixed.archive.points),
        archive_projector=np.asarray(mixed.archive.projector),
        seconds=np.array([pilot.warmup_seconds + pilot.sampling_seconds + time.perf_counter() - began, 0.0]),
    )
    return state, approximation


def _disagreement(approximation: Approximation, points: np.ndarray, values: np.ndarray) -> float:
    """Standard deviation over points (n, dim) of what the density `values` (n,) and its approximation differ by."""
    near, _ = evaluate(approximation.log_density, points, approximation.args, len(points))
    difference = (values - near)[np.isfinite(values)]
    return float(np.std(difference)) if len(difference) else 0.0


def _mix(
    approximation: Approximation,
    draws: np.ndarray,
    pilot: SamplingResult,
    refinement: int,
    seed: int,
    monitor: Monitor | None,
    progress: ProgressCallback | None,
) -> _Mixed:
    """Go on from draws (chain, step, dim) with an archive of them, and renew it until chains mix well."""
    program = _round_program(approximation.log_density)
    factor = jnp.asarray(pilot.factor)
    first_round = refinement * (_ROUNDS + 1)

    def sample_round(i: int, ends: np.ndarray, archive: Archive, temperature: float) -> tuple[np.ndarray, Summary]:
        key = jax.random.fold_in(jax.random.key(seed), 2**31 - 1 - first_round - i)
        draws = program(
            jnp.asarray(ends), factor, key, pilot.step_size, archive, approximation.args, jnp.asarray(temperature)
        )
        summary = summarize(np.asarray(draws) if monitor is None else monitor.of(draws))
        if progress is not None:
            progress(Progress("archive", i + 1, _ROUNDS + 1, rhat=summary.max_rhat, min_ess=summary.min_ess))
        return np.asarray(draws), summary

    def archive_of(draws: np.ndarray, temperature: float = 1.0) -> Archive:
        return make_archive(draws.reshape(-1, draws.shape[-1]), pilot.factor, temperature)

    archive = archive_of(draws)
    for i in range(_ROUNDS):
        draws, summary = sample_round(i, draws[:, -1], archive, _TEMPERATURE)
        archive = archive_of(draws, _TEMPERATURE)
        if summary.min_ess > _MIXED_ESS and summary.max_rhat < _MIXED_RHAT:
            break
    draws, summary = sample_round(_ROUNDS, draws[:, -1], archive, 1.0)
    return _Mixed(draws, archive, draws.shape[0] * draws.shape[1] / max(summary.min_ess, 1.0))


@lru_cache(maxsize=8)  # bounded, since each entry keeps the density and whatever data it closes over alive
def _round_program(log_density: LogDensity) -> Callable[..., Array]:
    safe = guarded(log_density)

    @jax.jit
    def program(
        positions: Array,
        factor: Array,
        key: Array,
        step_size: Array,
        archive: Archive,
        args: tuple[Any, ...],
        temperature: Array,
    ) -> Array:
        def one_chain(key: Array, origin: Array) -> Array:
            here = archive.centred_at(origin, factor)

            to_z = partial(unwhiten, origin, factor)

            def density(y: Array) -> Array:
                return safe(to_z(y), *args) / temperature

            def step(at: mala.MALAState, key: Array) -> tuple[mala.MALAState, Array]:
                at = archive_step(key, at, density, step_size, here)
                return at, at.position

            begin = mala.init(jnp.zeros_like(factor[0]), density)
            _, ys = jax.lax.scan(step, begin, jax.random.split(key, _ROUND_STEPS))
            return jax.vmap(to_z)(ys)

        return jax.vmap(one_chain)(jax.random.split(key, len(positions)), positions)

    return program
