"""Rounds of sampling on the approximation, whose draws become the archive of the next round.

All but the last round sample at a raised temperature, so that the archive reaches beyond the tails.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import mala
from jax import Array

from sampler.approximate.kernel_moves import Archive, archive_step, make_archive
from sampler.chains.whitening import unwhiten
from sampler.density import Approximation, LogDensity, Monitor, guarded
from sampler.diagnostics import Summary, summarize
from sampler.progress import Progress, ProgressCallback

_ROUNDS, _ROUND_STEPS = 8, 400
_MIXED_ESS, _MIXED_RHAT = 200.0, 1.03  # of one round: the archive is good
_TEMPERATURE = 1.5


class Mixed(NamedTuple):
    """Draws of the approximation by chains that mix.

    Attributes:
        draws: (chain, step, dim).
        archive: the archive that they were made with.
        autocorrelation_time: in steps.
    """

    draws: np.ndarray
    archive: Archive
    autocorrelation_time: float

    @property
    def ends(self) -> np.ndarray:
        """Last positions of the chains, (chain, dim)."""
        return self.draws[:, -1]


class Rounds(NamedTuple):
    """Settings that all rounds share.

    Attributes:
        factor: (dim, dim) L that whitens.
        step_size: eps of the MALA steps.
        seed: random seed of the run.
        monitor: the quantities whose mixing counts; z itself if None.
        progress: called after every round.
    """

    factor: np.ndarray
    step_size: float
    seed: int
    monitor: Monitor | None
    progress: ProgressCallback | None

    def sample(
        self, approximation: Approximation, begin: np.ndarray, archive: Archive, number: int, temperature: float
    ) -> tuple[np.ndarray, Summary]:
        """Draws (chain, step, dim) of one round from `begin` (chain, dim), and their diagnostics.

        Args:
            approximation: what is sampled.
            begin: where the chains begin.
            archive: earlier draws.
            number: counts all rounds of a run; random numbers depend on it.
            temperature: divides the log-density.
        """
        draws = _round_program(approximation.log_density)(
            jnp.asarray(begin),
            jnp.asarray(self.factor),
            jax.random.fold_in(jax.random.key(self.seed), 2**31 - 1 - number),
            self.step_size,
            archive,
            approximation.args,
            jnp.asarray(temperature),
        )
        summary = summarize(np.asarray(draws) if self.monitor is None else self.monitor.of(draws))
        if self.progress is not None:
            step = number % (_ROUNDS + 1) + 1
            self.progress(Progress("archive", step, _ROUNDS + 1, rhat=summary.max_rhat, min_ess=summary.min_ess))
        return np.asarray(draws), summary

    def archive(self, draws: np.ndarray, temperature: float = 1.0) -> Archive:
        """Archive of draws (chain, step, dim) made at a temperature."""
        return make_archive(draws.reshape(-1, draws.shape[-1]), self.factor, temperature)


def mix(approximation: Approximation, draws: np.ndarray, rounds: Rounds, refinement: int) -> Mixed:
    """Continue from draws (chain, step, dim) with an archive of them, and renew it until the chains mix well.

    Args:
        approximation: what is sampled.
        draws: of the approximation, or of one that is close to it.
        rounds: settings.
        refinement: how often the approximation has been refined; random numbers depend on it.
    """
    first = refinement * (_ROUNDS + 1)
    archive = rounds.archive(draws)
    for i in range(_ROUNDS):
        draws, summary = rounds.sample(approximation, draws[:, -1], archive, first + i, _TEMPERATURE)
        archive = rounds.archive(draws, _TEMPERATURE)
        if summary.min_ess > _MIXED_ESS and summary.max_rhat < _MIXED_RHAT:
            break
    draws, summary = rounds.sample(approximation, draws[:, -1], archive, first + _ROUNDS, 1.0)
    return Mixed(draws, archive, draws.shape[0] * draws.shape[1] / max(summary.min_ess, 1.0))


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
