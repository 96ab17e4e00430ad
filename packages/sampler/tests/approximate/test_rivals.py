"""Two peaks far apart, found by the starts: both are sampled, each by its mass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import Approximation, MalaConfig, find_mode, sample

LIGHT = 1 / 6
"""Mass of the lighter peak; the other has five times as much."""
PEAKS = jnp.asarray([[4.0, 0.0, -3.0, 0.0], [-4.0, 2.0, 3.0, 0.0]])
WIDTHS = jnp.asarray([[0.3, 1.0, 0.5, 2.0], [0.6, 0.5, 1.0, 0.7]])


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def two_peaks(z, peaks=PEAKS, widths=WIDTHS, light=LIGHT):
    """Gaussians more than ten widths apart, of other shapes."""
    mass = jnp.log(jnp.asarray([1 - light, light]))
    each = -0.5 * jnp.sum(((z - peaks) / widths) ** 2 + 2 * jnp.log(widths), axis=-1)
    return jax.nn.logsumexp(mass + each)


def distorted(z):
    """The same peaks, moved and widened, the light one with twice its mass."""
    return two_peaks(z, PEAKS + 0.2 * WIDTHS, 1.1 * WIDTHS, 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1])
def test_masses_of_one_to_five(first):
    """Whichever peak is the mode: the light one may be the higher."""
    narrow = WIDTHS.at[1 - first].multiply(2.0)

    def density(z):
        return two_peaks(z, widths=narrow)

    starts = np.random.default_rng(1).normal(size=(8, 4)) + np.asarray(PEAKS)[np.arange(8) % 2]
    mode = find_mode(density, starts)
    (rival,) = mode.rivals
    assert rival.log_mass - mode.log_mass == pytest.approx((1 - 2 * first) * np.log(LIGHT / (1 - LIGHT)), abs=0.2)
    config = MalaConfig(seed=4, target_ess=2500, target_rhat=1.01, max_steps=20_000)
    found = sample(density, mode, config, approximation=Approximation(distorted))
    assert found.converged
    light = (found.draws[..., 0] < 0).mean()
    # An ESS of 2500 gives it to 5 %.
    assert light == pytest.approx(LIGHT, rel=0.1)
