"""Two peaks far apart, found by the starts: both are sampled, each by its mass."""

from functools import partial

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


def two_peaks(z, peaks, widths, light):
    """Gaussians more than six widths apart, of other shapes."""
    mass = jnp.log(jnp.asarray([1 - light, light]))
    each = -0.5 * jnp.sum(((z - peaks) / widths) ** 2 + 2 * jnp.log(widths), axis=-1)
    return jax.nn.logsumexp(mass + each)


@pytest.mark.slow
@pytest.mark.parametrize(("mode_is_light", "narrower"), [(False, 1.0), (True, 0.5)])
def test_masses_of_one_to_five(mode_is_light, narrower):
    """Whichever peak is the higher: the light one is, where it is narrow."""
    widths = WIDTHS * jnp.asarray([[1.0], [narrower]])
    starts = np.random.default_rng(1).normal(size=(8, 4)) + np.asarray(PEAKS)[np.arange(8) % 2]
    density = partial(two_peaks, peaks=PEAKS, widths=widths, light=LIGHT)
    mode = find_mode(density, starts)
    (rival,) = mode.rivals
    ratio = np.log(LIGHT / (1 - LIGHT)) * (-1 if mode_is_light else 1)
    assert rival.log_mass - mode.log_mass == pytest.approx(ratio, abs=0.2)
    # The same peaks, moved and widened, the light one with twice its mass.
    distorted = Approximation(two_peaks, (PEAKS + 0.2 * widths, 1.1 * widths, 2 * LIGHT))
    config = MalaConfig(seed=4, target_ess=2000, target_rhat=1.01, max_steps=20_000)
    found = sample(density, mode, config, approximation=distorted)
    assert found.converged
    # An ESS of 2000 gives it to 5 %.
    assert (found.draws[..., 0] < 0).mean() == pytest.approx(LIGHT, rel=0.1)
