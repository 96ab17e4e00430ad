"""Jumps: the surrogate transition of Liu (2001, Monte Carlo Strategies in Scientific Computing, section 9.4.3).

A chain on the approximation p~ leads from y to y', which is accepted with probability
min(1, p(y') p~(y) / p(y) p~(y')). That leaves p invariant whatever p~ is, costs one evaluation of p, and crosses the
whole posterior where p~ is close to it.
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


class Jump(NamedTuple):
    """The chain on the approximation that proposes a jump.

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


class JumpBlock(NamedTuple):
    """What a block of n jumps of all chains returns.

    Attributes:
        positions: (n, chain, dim) after each jump.
        log_densities: (n, chain).
        acceptance: (chain,) mean acceptance probability.
    """

    positions: Array
    log_densities: Array
    acceptance: Array


JumpProgram = Callable[[Array, Array, Array, Array, tuple[Any, ...], Jump], JumpBlock]


@lru_cache(maxsize=8)  # bounded, since each entry keeps the density and whatever data it closes over alive
def jump_program(log_density: LogDensity, approximation: LogDensity, n_jumps: int) -> JumpProgram:
    """Compile-once program of `n_jumps` jumps of all chains.

    Its arguments: positions (chain, dim), log-densities (chain,), factor L (dim, dim), random key, arguments of the
    density, jump. As in MALA, chains move in y, z = position at the start + L y.
    """
    safe = guarded(approximation)

    def one_chain(
        key: Array, origin: Array, log_density_there: Array, factor: Array, args: tuple[Any, ...], jump: Jump
    ) -> JumpBlock:
        archive = jump.archive.centred_at(origin, factor)

        to_z = partial(unwhiten, origin, factor)

        def approximate(y: Array) -> Array:
            return safe(to_z(y), *jump.args)

        def one_jump(carry: tuple[Array, Array], key: Array) -> Any:
            y, value = carry
            along, decide = jax.random.split(key)

            def step(i: Array, at: mala.MALAState) -> mala.MALAState:
                return archive_step(jax.random.fold_in(along, i), at, approximate, jump.step_size, archive)

            begin = mala.init(y, approximate)
            end = jax.lax.fori_loop(0, jump.n_steps, step, begin)
            proposed = guarded_value(log_density, to_z(end.position), *args)
            log_ratio = (proposed - end.logdensity) - (value - begin.logdensity)
            # NaN where both densities vanish: a rejection.
            probability = jnp.nan_to_num(jnp.exp(jnp.minimum(log_ratio, 0.0)))
            accepted = jax.random.uniform(decide, dtype=y.dtype) < probability
            y, value = jnp.where(accepted, end.position, y), jnp.where(accepted, proposed, value)
            return (y, value), (y, value, probability)

        carry = jnp.zeros_like(factor[0]), log_density_there
        _, (ys, values, probability) = jax.lax.scan(one_jump, carry, jax.random.split(key, n_jumps))
        return JumpBlock(jax.vmap(to_z)(ys), values, jnp.mean(probability))

    chains = over_chains(one_chain, in_axes=(0, 0, 0, None, None, None))

    @jax.jit
    def program(
        positions: Array, log_densities: Array, factor: Array, key: Array, args: tuple[Any, ...], jump: Jump
    ) -> JumpBlock:
        keys = jax.random.split(key, len(positions))
        block = chains(keys, positions, log_densities, factor, args, jump)
        return JumpBlock(jnp.swapaxes(block.positions, 0, 1), block.log_densities.T, block.acceptance)

    return program
