"""Delayed acceptance as a kernel beside MALA: blocks of jumps, with gradients where they end.

The step itself, and what it owes to Liu (2001) and to Christen & Fox (2005), is in `delayed_block`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from sampler.approximate.delayed_block import DelayedBlock, Proposal, delayed_program
from sampler.approximate.kernel_moves import Archive
from sampler.chains.state import DELAYED_ACCEPTANCE, BlockInfo, Chains, Kernel
from sampler.chains.whitening import default_float
from sampler.density import Approximation, LogDensity, evaluate


class DelayedAcceptanceState(NamedTuple):
    """State of the delayed-acceptance kernel, NumPy arrays: the chain that proposes. It stays as it is in a run.

    Attributes:
        step_size: () eps of its MALA steps.
        n_steps: () its length.
        archive_centre, archive_points, archive_projector: (dim,), (n, dim), (dim, dim), see `Archive`.
    """

    step_size: np.ndarray
    n_steps: np.ndarray
    archive_centre: np.ndarray
    archive_points: np.ndarray
    archive_projector: np.ndarray


def init(step_size: float, n_steps: float, archive: Archive) -> DelayedAcceptanceState:
    """State of proposals by `n_steps` steps of eps = `step_size` with an archive."""
    return DelayedAcceptanceState(np.array(step_size), np.array(n_steps), *map(np.asarray, archive))


def build_kernel(
    log_density: LogDensity, args: tuple[Any, ...], approximation: Approximation, n_steps: int
) -> Kernel:
    """Build the kernel of blocks of `n_steps` jumps.

    Args:
        log_density: see `LogDensity`.
        args: its further arguments; traced.
        approximation: cheap approximation that proposes.
        n_steps: jumps in a block.
    """
    program = delayed_program(log_density, approximation.log_density, n_steps)

    def step(
        key: Array, chains: Chains, factor: np.ndarray, state: DelayedAcceptanceState, warming: bool
    ) -> tuple[Chains, DelayedAcceptanceState, BlockInfo]:
        archive = Archive(*map(default_float, (state.archive_centre, state.archive_points, state.archive_projector)))
        proposal = Proposal(
            jnp.asarray(state.step_size), jnp.asarray(int(state.n_steps)), archive, approximation.args
        )
        block = program(
            jnp.asarray(chains.position),
            default_float(chains.log_density),
            default_float(factor),
            jax.random.fold_in(key, 0),  # MALA takes the key itself
            args,
            proposal,
        )
        chains, block = _with_gradients(log_density, args, chains, factor, block)
        n_chains = len(chains.position)
        acceptance = np.asarray(block.acceptance, np.float64)
        return (
            chains,
            state,
            BlockInfo(block.positions, block.log_densities, acceptance, n_chains, n_steps * n_chains),
        )

    return Kernel(DELAYED_ACCEPTANCE, DelayedAcceptanceState, step, _unadapted)


def _with_gradients(
    log_density: LogDensity, args: tuple[Any, ...], begin: Chains, factor: np.ndarray, block: DelayedBlock
) -> tuple[Chains, DelayedBlock]:
    """Chains after a block, with the scores that MALA needs.

    A chain that ends where the gradient is not finite stays at `begin` for the whole block, as after a rejection.
    """
    position = np.array(block.positions[-1])
    values, gradients = evaluate(log_density, position, args, len(position))
    score = gradients @ factor
    lost = ~np.isfinite(values)
    if lost.any():
        position[lost], values[lost], score[lost] = (part[lost] for part in begin)
        block = block._replace(
            positions=jnp.where(lost[:, None], jnp.asarray(begin.position), block.positions),
            log_densities=jnp.where(lost, begin.log_density, block.log_densities),
        )
    return Chains(position, values, score), block


def _unadapted(
    done: int, chains: Chains, factor: np.ndarray, state: DelayedAcceptanceState
) -> tuple[Chains, np.ndarray, DelayedAcceptanceState]:
    """Return everything as it is: the approximate warm-up has tuned the proposals."""
    return chains, factor, state
