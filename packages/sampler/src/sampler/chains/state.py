"""State of a run between two blocks, and the form of the kernels that advance it.

A run alternates kernels. Each advances all chains by a block of steps and keeps arrays of its own between blocks, so
that the state of a run holds what its kernels need and no more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax import Array

MALA = "mala"
DELAYED_ACCEPTANCE = "delayed_acceptance"


class Chains(NamedTuple):
    """Positions of all chains between two blocks.

    Attributes:
        position: (chain, dim) unconstrained z.
        log_density: (chain,).
        score: (chain, dim) gradient whitened by L: L^T grad.
    """

    position: Any
    log_density: Any
    score: Any


class BlockInfo(NamedTuple):
    """Record of one block of n steps of one kernel.

    Attributes:
        positions: (n, chain, dim) position after each step.
        log_densities: (n, chain).
        acceptance: (chain,) mean acceptance probability, float64.
        n_gradients: evaluations of the density with its gradient, chains counted singly.
        n_values: evaluations of the density alone.
    """

    positions: Any
    log_densities: Any
    acceptance: np.ndarray
    n_gradients: int
    n_values: int


class Kernel(NamedTuple):
    """A transition of all chains that leaves the density invariant, by one block of steps.

    Attributes:
        name: key of its state in `SamplerState.kernels`.
        state: NamedTuple of NumPy arrays, the kernel's own state.
        step: `step(key, chains, factor, state, warming)` returns chains, state and `BlockInfo` after a block;
            `factor` is the L (dim, dim) that whitens coordinates and scores.
        adapt: `adapt(step, chains, factor, state)` returns chains, factor and state after a block of warm-up; `step`
            counts the steps done.
    """

    name: str
    state: Callable[..., Any]
    step: Callable[[Array, Chains, np.ndarray, Any, bool], tuple[Chains, Any, BlockInfo]]
    adapt: Callable[[int, Chains, np.ndarray, Any], tuple[Chains, np.ndarray, Any]]


class SamplerState(NamedTuple):
    """Everything that the rest of a run depends on, in NumPy arrays.

    Random numbers are derived from the seed and the step count, so no generator state is kept.

    Attributes:
        step: () steps done, warm-up included.
        chains: positions, log-densities and whitened gradients.
        factor: (dim, dim) lower-triangular L; the preconditioner is L L^T. float64.
        kernels: arrays of each kernel in use: kernel name -> field -> array.
        acceptance: kernel name -> (chain,) mean acceptance probability, summed over the blocks of sampling. float64.
        seconds: (2,) wall-clock time spent in warm-up and in sampling.
        n_gradients: () gradient evaluations, chains counted singly, the search for the mode included.
        n_values: () evaluations without gradient, chains counted singly.
        draws: (draw, chain, dim) kept sampling positions.
        draw_log_density: (draw, chain).
    """

    step: np.ndarray
    chains: Chains
    factor: np.ndarray
    kernels: dict[str, dict[str, np.ndarray]]
    acceptance: dict[str, np.ndarray]
    seconds: np.ndarray
    n_gradients: np.ndarray
    n_values: np.ndarray
    draws: np.ndarray
    draw_log_density: np.ndarray


def fresh_state(
    chains: Chains, factor: np.ndarray, kernels: dict[str, Any], n_gradients: int, seconds: float = 0.0
) -> SamplerState:
    """State before the first step.

    Args:
        chains: NumPy arrays; the dtype of the positions is that of the chains.
        factor: (dim, dim) L of the preconditioner L L^T.
        kernels: kernel name -> its state, a NamedTuple of arrays.
        n_gradients: gradient evaluations that it took to find all this.
        seconds: time that it took.
    """
    n_chains, dim = chains.position.shape
    return SamplerState(
        step=np.array(0),
        chains=chains,
        factor=factor,
        kernels={name: state._asdict() for name, state in kernels.items()},
        acceptance={name: np.zeros(n_chains) for name in kernels},
        seconds=np.array([seconds, 0.0]),
        n_gradients=np.array(n_gradients),
        n_values=np.array(0),
        draws=np.zeros((0, n_chains, dim), chains.position.dtype),
        draw_log_density=np.zeros((0, n_chains)),
    )
