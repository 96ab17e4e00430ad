"""BlackJAX's NUTS with its window adaptation (dense metric), counting gradients: the yardstick for MALA."""

from typing import NamedTuple

import blackjax
import jax
import numpy as np


class NutsRun(NamedTuple):
    """Chains of NUTS.

    Attributes:
        draws: (chain, draw, dim) after warm-up.
        n_gradients: of sampling, chains counted singly.
        n_divergent: transitions that diverged.
    """

    draws: np.ndarray
    n_gradients: int
    n_divergent: int


def nuts(log_density, starts, n_draws, n_warmup=1000, seed=0):
    """Adapt and sample each chain by itself; starts (chain, dim)."""

    @jax.jit
    @jax.vmap
    def chain(key, start):
        warm, run = jax.random.split(key)
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_density, is_mass_matrix_diagonal=False)
        (state, parameters), _ = adaptation.run(warm, start, num_steps=n_warmup)
        kernel = blackjax.nuts(log_density, **parameters).step

        def step(state, key):
            state, info = kernel(key, state)
            return state, (state.position, info.num_integration_steps, info.is_divergent)

        return jax.lax.scan(step, state, jax.random.split(run, n_draws))[1]

    positions, steps, divergent = chain(jax.random.split(jax.random.key(seed), len(starts)), starts)
    return NutsRun(np.asarray(positions), int(np.sum(steps)), int(np.sum(divergent)))
