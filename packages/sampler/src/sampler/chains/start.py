"""Starting points of the chains: around a mode, or at given positions."""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from sampler.chains import mala
from sampler.chains.adaptation import OPTIMAL_SCALE
from sampler.chains.config import MalaConfig
from sampler.chains.state import MALA, Chains, SamplerState, fresh_state
from sampler.density import LogDensity, evaluate, working_dtype
from sampler.mode.curvature import rewhiten, whitened_hessian
from sampler.mode.search import Mode

_ATTEMPTS = 8
_CURVATURE_ROUNDS = 8


def initial_state(
    log_density: LogDensity, init: Mode | ArrayLike, config: MalaConfig, args: tuple[Any, ...]
) -> SamplerState:
    """State before the first warm-up step; `init` as for `sample`."""
    n_gradients = 0

    def count(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal n_gradients
        n_gradients += len(points)
        return evaluate(log_density, np.asarray(points, dtype), args, config.n_chains)

    if isinstance(init, Mode):
        dtype, n_gradients = init.position.dtype, init.n_gradients
        centre, factor, best = init.position.astype(np.float64), init.factor, init.log_density
        position = None
    else:
        points = np.asarray(init)
        dtype = working_dtype(points)
        if points.ndim not in (1, 2) or (points.ndim == 2 and len(points) != config.n_chains):
            raise ValueError(
                f"init has shape {points.shape}: expected a Mode, (dim,) or (n_chains = {config.n_chains}, dim)"
            )
        position = points.astype(np.float64) if points.ndim == 2 else None
        values, _ = count(np.atleast_2d(points))
        if not np.all(np.isfinite(values)):
            raise ValueError(
                "init: log-density or gradient is not finite; start inside the support or from find_mode"
            )
        centre, best = np.atleast_2d(points).astype(np.float64)[np.argmax(values)], float(values.max())
        factor = 0.1 * np.eye(len(centre))
        for _ in range(_CURVATURE_ROUNDS):
            factor = rewhiten(factor, whitened_hessian(count, centre, factor))

    if position is None:
        position = _scatter(count, centre, factor, best, config)
    values, gradients = count(position)
    log_eps = float(np.log(OPTIMAL_SCALE * len(centre) ** (-1 / 6)))
    chains = Chains(position.astype(dtype), values, gradients @ factor)
    return fresh_state(chains, factor, {MALA: mala.init(log_eps, len(centre))}, n_gradients)


def _scatter(count: Any, centre: np.ndarray, factor: np.ndarray, best: float, config: MalaConfig) -> np.ndarray:
    """Draw chain positions from the Gaussian at the mode.

    Where the posterior is not Gaussian such a draw can fall where the density is nil; those chains draw
    anew at half the width, and after the last attempt start at the mode.
    """
    dim = len(centre)
    rng = np.random.default_rng([config.seed, 1])
    width = np.full((config.n_chains, 1), config.dispersion)
    position = np.tile(centre, (config.n_chains, 1))
    todo = np.ones(config.n_chains, bool)
    for _ in range(_ATTEMPTS):
        trial = centre + width * rng.normal(size=position.shape) @ factor.T
        values, _ = count(trial)
        # A Gaussian loses about dim / 2 times the squared width.
        good = todo & (values > best - (10.0 + 2.0 * dim * config.dispersion**2))
        position[good] = trial[good]
        todo &= ~good
        width[todo] *= 0.5
        if not todo.any():
            break
    return position
