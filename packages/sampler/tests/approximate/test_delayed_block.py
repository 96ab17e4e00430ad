"""The delayed-acceptance step of one chain against its acceptance probability written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blackjax.mcmc import mala
from sampler.approximate.delayed_block import init, step


def density(y):
    return -0.5 * jnp.sum(y**2)


def approximate(y):
    return 3.0 - 0.25 * jnp.sum((y - 1.0) ** 2)


def one_up(key, at):
    """A proposal that is not random: two of them move y by 2."""
    return mala.init(at.position + 1.0, approximate)


@pytest.mark.parametrize("y", [-3.0, -1.2, 0.5])
def test_acceptance_is_the_ratio_of_ratios(y):
    """min(1, p(y') p~(y) / p(y) p~(y')) with y' = y + 2."""

    def p(y):
        return np.exp(-0.5 * y**2)

    def p_approximate(y):
        return np.exp(-0.25 * (y - 1.0) ** 2)

    expected = min(1.0, p(y + 2) * p_approximate(y) / (p(y) * p_approximate(y + 2)))
    begin = init(jnp.array([y]), density(jnp.array([y])))
    keys = jax.random.split(jax.random.key(1), 2000)
    state, info = jax.vmap(lambda key: step(key, begin, density, approximate, one_up, 2))(keys)
    np.testing.assert_allclose(info.acceptance_rate, expected, rtol=1e-12)
    # Two thousand independent decisions: four standard errors.
    assert info.is_accepted.mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 2000))
    np.testing.assert_array_equal(state.position[:, 0], np.where(info.is_accepted, y + 2, y))
    np.testing.assert_allclose(state.logdensity, jax.vmap(density)(state.position), rtol=1e-12)
