"""Delayed-acceptance steps: the single-chain kernel, and a block of steps of all chains as one compiled program.

A chain on the approximation p~ leads from y to y', which is accepted with probability
min(1, p(y') p~(y) / p(y) p~(y')). This leaves p invariant whatever p~ is, costs one evaluation of p, and crosses the
whole posterior where p~ is close to it. With one Metropolis-Hastings step on p~ it is delayed acceptance (Christen &
Fox 2005, Journal of Computational and Graphical Statistics 14, 795); with many it is the surrogate transition of Liu
(2001, Monte Carlo Strategies in Scientific Computing, section 9.4.3). The package calls such a step a jump.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.mcmc import mala
from jax import Array
from jax.typing import ArrayLike

from sampler.approximate.kernel_moves import Archive, archive_step
from sampler.chains.whitening import unwhiten
from sampler.density import LogDensity, guarded, guarded_value
from sampler.devices import over_chains

ApproximateStep = Callable[[Array, mala.MALAState], mala.MALAState]
"""`step(key, state)`: one step that leaves the approximation invariant."""


class DelayedState(NamedTuple):
    """State of one chain.

    Attributes:
        position: (dim,) whitened y.
        logdensity: scalar, of the density itself.
    """

    position: Array
    logdensity: Array


class DelayedInfo(NamedTuple):
    """Record of one step.

    Attributes:
        acceptance_rate: scalar, probability with which the density accepts.
        is_accepted: whether it did.
    """

    acceptance_rate: Array
    is_accepted: Array


def init(position: Array, logdensity: Array) -> DelayedState:
    """State of a chain at whitened y = `position` (dim,), where the log-density is known."""
    return DelayedState(position, logdensity)


def step(
    key: Array,
    state: DelayedState,
    logdensity_fn: Callable[[Array], Array],
    approximate_fn: Callable[[Array], Array],
    approximate_step: ApproximateStep,
    n_steps: ArrayLike,
) -> tuple[DelayedState, DelayedInfo]:
    """Propose by `n_steps` steps on the approximation, accept by the density.

    Args:
        key: random key.
        state: of the chain.
        logdensity_fn: y (dim,) -> log-density, -inf where it vanishes.
        approximate_fn: y (dim,) -> its approximation, differentiable; they may differ by a constant.
        approximate_step: one step that leaves the approximation invariant.
        n_steps: length of the chain that proposes.
    """
    along, decide = jax.random.split(key)
    begin = mala.init(state.position, approximate_fn)
    end = jax.lax.fori_loop(0, n_steps, lambda i, at: approximate_step(jax.random.fold_in(along, i), at), begin)
    proposed = logdensity_fn(end.position)
    log_ratio = (proposed - end.logdensity) - (state.logdensity - begin.logdensity)
    # NaN where both densities vanish: a rejection.
    probability = jnp.nan_to_num(jnp.exp(jnp.minimum(log_ratio, 0.0)))
    accepted = jax.random.uniform(decide, dtype=state.position.dtype) < probability
    new = DelayedState(
        jnp.where(accepted, end.position, state.position), jnp.where(accepted, proposed, state.logdensity)
    )
    return new, DelayedInfo(probability, accepted)


class Proposal(NamedTuple):
    """Chain on the approximation that proposes.

    Attributes:
        step_size: eps of its MALA steps, in the coordinates whitened by L.
        n_steps: its length.
        archive: draws of the approximation.
        args: further arguments of the approximation.
    """

    step_size: ArrayLike
    n_steps: ArrayLike
    archive: Archive
    args: tuple[Any, ...]


class DelayedBlock(NamedTuple):
    """Record of a block of n steps of all chains.

    Attributes:
        positions: (n, chain, dim) z after each step.
        log_densities: (n, chain).
        acceptance: (chain,) mean acceptance probability.
    """

    positions: Array
    log_densities: Array
    acceptance: Array


DelayedProgram = Callable[[Array, Array, Array, Array, tuple[Any, ...], Proposal], DelayedBlock]


@lru_cache(maxsize=8)  # bounded, since each entry keeps the density and whatever data it closes over alive
def delayed_program(log_density: LogDensity, approximation: LogDensity, n_steps: int) -> DelayedProgram:
    """Compile-once program of `n_steps` delayed-acceptance steps of all chains.

    Its arguments: positions (chain, dim), log-densities (chain,), factor L (dim, dim), random key, arguments of the
    density, proposal. As in MALA, chains move in y, z = position at the start + L y.
    """
    safe = guarded(approximation)

    def one_chain(
        key: Array, origin: Array, log_density_there: Array, factor: Array, args: tuple[Any, ...], proposal: Proposal
    ) -> DelayedBlock:
        archive = proposal.archive.centred_at(origin, factor)
        to_z = partial(unwhiten, origin, factor)

        def density(y: Array) -> Array:
            return guarded_value(log_density, to_z(y), *args)

        def approximate(y: Array) -> Array:
            return safe(to_z(y), *proposal.args)

        def approximate_step(key: Array, at: mala.MALAState) -> mala.MALAState:
            return archive_step(key, at, approximate, proposal.step_size, archive)

        def one_step(state: DelayedState, key: Array) -> tuple[DelayedState, tuple[DelayedState, Array]]:
            state, info = step(key, state, density, approximate, approximate_step, proposal.n_steps)
            return state, (state, info.acceptance_rate)

        begin = init(jnp.zeros_like(factor[0]), log_density_there)
        _, (states, probability) = jax.lax.scan(one_step, begin, jax.random.split(key, n_steps))
        return DelayedBlock(jax.vmap(to_z)(states.position), states.logdensity, jnp.mean(probability))

    chains = over_chains(one_chain, in_axes=(0, 0, 0, None, None, None))

    @jax.jit
    def program(
        positions: Array, log_densities: Array, factor: Array, key: Array, args: tuple[Any, ...], proposal: Proposal
    ) -> DelayedBlock:
        keys = jax.random.split(key, len(positions))
        block = chains(keys, positions, log_densities, factor, args, proposal)
        return DelayedBlock(jnp.swapaxes(block.positions, 0, 1), block.log_densities.T, block.acceptance)

    return program
