"""MALA as a kernel: blocks of steps, the step size tuned and the preconditioner updated during warm-up."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import DualAveragingAdaptationState
from jax import Array

from sampler.chains.adaptation import freeze_step_size, step_size_start, update_preconditioner
from sampler.chains.mala_block import block_program
from sampler.chains.state import MALA, BlockInfo, Chains, Kernel
from sampler.chains.whitening import default_float
from sampler.density import LogDensity


class MalaState(NamedTuple):
    """State of the MALA kernel, NumPy arrays.

    Attributes:
        step_size: (5,) dual-averaging state; entry 0 is log eps.
        fisher: (dim, dim) sum of outer products of scores in the current warm-up window. float64.
        fisher_count: () number of gradients in it.
    """

    step_size: np.ndarray
    fisher: np.ndarray
    fisher_count: np.ndarray


def init(log_step_size: float, dim: int) -> MalaState:
    """State before the first step, with ln eps = `log_step_size`."""
    return MalaState(step_size_start(log_step_size), np.zeros((dim, dim)), np.array(0))


def build_kernel(
    log_density: LogDensity, args: tuple[Any, ...], n_steps: int, *, warmup_steps: int, windows: frozenset[int]
) -> Kernel:
    """Build the kernel of blocks of `n_steps` MALA steps.

    Args:
        log_density: see `LogDensity`.
        args: its further arguments; traced.
        n_steps: steps in a block.
        warmup_steps: steps of the run after which the step size is frozen.
        windows: steps of the run after which the preconditioner is updated, see `window_ends`.
    """
    program = block_program(log_density, n_steps)

    def step(
        key: Array, chains: Chains, factor: np.ndarray, state: MalaState, warming: bool
    ) -> tuple[Chains, MalaState, BlockInfo]:
        block = program(
            Chains(jnp.asarray(chains.position), default_float(chains.log_density), default_float(chains.score)),
            DualAveragingAdaptationState(*default_float(state.step_size)),
            default_float(factor),
            key,
            jnp.asarray(warming),
            args,
        )
        n_gradients = n_steps * len(chains.position)
        state = state._replace(step_size=np.asarray(jnp.stack(block.step_size)))
        if warming:
            state = state._replace(
                fisher=state.fisher + np.asarray(block.fisher, np.float64),
                fisher_count=state.fisher_count + n_gradients,
            )
        acceptance = np.asarray(block.acceptance, np.float64)
        info = BlockInfo(block.positions, block.log_densities, acceptance, n_gradients, 0)
        return Chains(*map(np.asarray, block.chains)), state, info

    def adapt(
        done: int, chains: Chains, factor: np.ndarray, state: MalaState
    ) -> tuple[Chains, np.ndarray, MalaState]:
        if done in windows:
            factor, score = update_preconditioner(factor, chains.score, state.fisher, int(state.fisher_count))
            chains = chains._replace(score=score)
            state = init(float(state.step_size[1]), len(factor))
        if done == warmup_steps:
            state = state._replace(step_size=freeze_step_size(state.step_size))
        return chains, factor, state

    return Kernel(MALA, MalaState, step, adapt)
