"""A block of preconditioned MALA steps for all chains, as one compiled program.

The kernel is BlackJAX's, in coordinates y with z = origin + L y, where S = L L^T is the preconditioner:
z' = z + (eps^2 / 2) S grad + eps L xi. Each block restarts at y = 0 from the chains' positions, so that y
stays of order one and neither float32 nor a change of L costs digits. The density sees z in the dtype
of the positions; y is in JAX's default float, which is what BlackJAX draws its noise in. Whether the
step size adapts is data, not code: warm-up and sampling run the same program.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.adaptation.step_size import DualAveragingAdaptationState, dual_averaging_adaptation
from blackjax.mcmc import mala
from jax import Array

from sampler.chains.state import Chains
from sampler.chains.whitening import unwhiten
from sampler.density import LogDensity, guarded
from sampler.devices import over_chains

TARGET_ACCEPTANCE = 0.574
"""Optimal acceptance rate of MALA in high dimension (Roberts and Rosenthal 1998)."""

_STEP_SIZE_GAMMA = 0.5  # Hoffman and Gelman take 0.05; the step then wanders, and its average is biased low
_GRADIENT_CLIP = 5.0  # in units of sqrt(dim), the typical length of a whitened gradient


class Block(NamedTuple):
    """All chains after a block of n steps, and its record.

    Attributes:
        chains: log-densities and scores in JAX's default float.
        step_size: dual-averaging state after the block, scalars.
        positions: (n, chain, dim) every position visited.
        log_densities: (n, chain).
        acceptance: (chain,) mean acceptance probability.
        fisher: (dim, dim) sum over steps and chains of the outer product of whitened gradients.
    """

    chains: Chains
    step_size: DualAveragingAdaptationState
    positions: Array
    log_densities: Array
    acceptance: Array
    fisher: Array


BlockProgram = Callable[[Chains, DualAveragingAdaptationState, Array, Array, Array, tuple[Any, ...]], Block]


@lru_cache(maxsize=8)  # bounded, since each entry keeps the density and whatever data it closes over alive
def block_program(log_density: LogDensity, n_steps: int) -> BlockProgram:
    """Compile-once program of `n_steps` steps of all chains.

    Its arguments: chains, dual-averaging state, factor L (dim, dim, JAX's default float), random key,
    adapt (bool scalar), density arguments.
    """
    safe = guarded(log_density)
    kernel = mala.build_kernel()

    def one_chain(
        key: Array, state: mala.MALAState, origin: Array, step: Array, factor: Array, args: tuple[Any, ...]
    ) -> Any:
        return kernel(key, state, lambda y: safe(unwhiten(origin, factor, y), *args), step)

    return jax.jit(partial(_block, over_chains(one_chain, in_axes=(0, 0, 0, None, None, None)), n_steps))


def _block(
    move: Callable[..., tuple[mala.MALAState, mala.MALAInfo]],
    n_steps: int,
    chains: Chains,
    step_size: DualAveragingAdaptationState,
    factor: Array,
    key: Array,
    adapt: Array,
    args: tuple[Any, ...],
) -> Block:
    """Move all chains by `n_steps` steps; `move` is one step of all of them, the rest as in `block_program`."""
    _, update_step_size, _ = dual_averaging_adaptation(TARGET_ACCEPTANCE, gamma=_STEP_SIZE_GAMMA)
    n_chains, dim = chains.position.shape
    dtype = factor.dtype

    def step(carry: Any, key: Array) -> Any:
        states, tuning, fisher = carry
        eps = jnp.exp(tuning.log_step_size)
        keys = jax.random.split(key, n_chains)
        # BlackJAX's step size is the Langevin time step, eps^2 / 2.
        states, info = move(keys, states, chains.position, 0.5 * eps**2, factor, args)
        acceptance = jnp.nan_to_num(info.acceptance_rate).astype(dtype)
        tuned = update_step_size(tuning, jnp.mean(acceptance))
        tuning = jax.tree.map(lambda new, old: jnp.where(adapt, new, old).astype(dtype), tuned, tuning)
        score = _clipped(states.logdensity_grad)
        fisher = fisher + jnp.matmul(score.T, score, precision=jax.lax.Precision.HIGHEST)
        return (states, tuning, fisher), (states.position, states.logdensity, acceptance)

    start = mala.MALAState(jnp.zeros((n_chains, dim), dtype), chains.log_density, chains.score)
    carry = start, step_size, jnp.zeros((dim, dim), dtype)
    (states, step_size, fisher), (ys, log_densities, acceptance) = jax.lax.scan(
        step, carry, jax.random.split(key, n_steps)
    )
    positions = jax.vmap(jax.vmap(unwhiten, (0, None, 0)), (None, None, 0))(chains.position, factor, ys)
    moved = Chains(positions[-1], states.logdensity, states.logdensity_grad)
    return Block(moved, step_size, positions, log_densities, jnp.mean(acceptance, axis=0), fisher)


def _clipped(score: Array) -> Array:
    """Limit whitened gradients (chain, dim): one far out in a tail must not outweigh thousands of typical ones."""
    length = jnp.linalg.norm(score, axis=-1, keepdims=True)
    return score * jnp.minimum(1.0, _GRADIENT_CLIP * score.shape[-1] ** 0.5 / jnp.maximum(length, 1e-30))
