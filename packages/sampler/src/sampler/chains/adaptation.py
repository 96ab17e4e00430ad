"""Warm-up: when the preconditioner is updated, and how; tuning of the step size."""

import numpy as np

from sampler.mode.curvature import lower_triangular

OPTIMAL_SCALE = 1.65
"""Optimal eps of MALA on a whitened Gaussian is about this times dim^(-1/6) (Roberts and Rosenthal 1998)."""

_PRIOR_WEIGHT = 1.0  # of the old preconditioner, in units of dim gradients
_CORRELATION = 4.0  # neighbouring steps count as one independent gradient per this many


def step_size_start(log_eps: float) -> np.ndarray:
    """Dual-averaging state (5,) that starts at eps and shrinks towards it, in the order of BlackJAX's tuple.

    Hoffman and Gelman (2014) shrink towards ten times their rough guess, to try large steps early; after
    whitening the optimal step is known within a factor of about two, and ten times it would waste steps.
    """
    return np.array([log_eps, log_eps, 1.0, 0.0, log_eps])


def freeze_step_size(state: np.ndarray) -> np.ndarray:
    """Dual-averaging state (5,) that keeps to the averaged step size."""
    return np.array([state[1], *state[1:]])


def window_ends(n_warmup: int, block: int) -> tuple[int, ...]:
    """Steps after which the preconditioner is updated: doubling windows, then step size alone.

    The last third of the warm-up tunes the step size for the final preconditioner. All are multiples of
    `block`.
    """
    ends: list[int] = []
    width, end = block, 0
    last = 2 * n_warmup // (3 * block) * block
    while end + width <= last:
        end += width
        # A next window that would overrun is merged into this one.
        if end + 2 * width > last:
            end = last
        ends.append(end)
        width *= 2
    return tuple(ends)


def update_preconditioner(
    factor: np.ndarray, score: np.ndarray, fisher_sum: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Set the preconditioner to the inverse empirical Fisher matrix (Titsias 2023).

    The Fisher matrix is estimated in the coordinates of the old L, where it is near the identity: it is
    damped towards the identity, that is towards the old preconditioner, as a prior worth dim independent
    gradients.

    Args:
        factor: old L, (dim, dim) lower triangular.
        score: (chain, dim) gradients whitened by the old L.
        fisher_sum: (dim, dim) sum of outer products of gradients whitened by the old L.
        count: number of gradients in that sum.

    Returns:
        New L, lower triangular, and the gradients whitened by it.
    """
    dim = len(factor)
    weight = count / _CORRELATION
    fisher = (weight * fisher_sum / max(count, 1) + _PRIOR_WEIGHT * dim * np.eye(dim)) / (
        weight + _PRIOR_WEIGHT * dim
    )
    values, vectors = np.linalg.eigh(fisher)
    new = lower_triangular(factor @ (vectors / np.sqrt(values)))
    return new, np.linalg.solve(factor, new).T.dot(score.T).T
