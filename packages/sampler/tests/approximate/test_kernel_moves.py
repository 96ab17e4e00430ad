"""Moves by way of an archive leave the density as it is, however skewed the archive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blackjax.mcmc import mala
from sampler.approximate.kernel_moves import archive_move, make_archive

BEND, WIDTH, N = 1.0, 0.3, 40_000
FACTOR = np.diag([0.4, 0.3])  # narrower than the draws, so that both directions are redrawn


def banana(z):
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - BEND * z[0] ** 2) / WIDTH) ** 2


def exact_draws(seed, n):
    x, e = np.random.default_rng(seed).standard_normal((2, n))
    return np.stack([x, BEND * x**2 + WIDTH * e], axis=1)


@pytest.fixture(scope="module")
def moved():
    """Exact draws of the banana, each moved eight times by an archive that knows its right half far better."""
    known = exact_draws(1, 4000)
    archive = make_archive(known[(known[:, 0] > -0.3) | (np.arange(4000) % 10 == 0)], FACTOR)
    with jax.enable_x64(True):
        factor, start = jnp.asarray(FACTOR), jnp.asarray(exact_draws(2, N))
        archive = archive.centred_at(jnp.zeros(2), factor)

        def density(y):
            return banana(factor @ y)

        @jax.jit
        @jax.vmap
        def several(key, z):
            at = mala.init(z / jnp.diag(factor), density)
            for k in jax.random.split(key, 8):
                at = archive_move(k, at, density, archive)
            return factor @ at.position

        return np.asarray(start), np.asarray(several(jax.random.split(jax.random.key(3), N), start))


@pytest.mark.slow
def test_most_points_have_moved(moved):
    """Else that nothing changes would prove nothing."""
    start, end = moved
    assert np.mean(np.any(start != end, axis=1)) > 0.9
    assert abs(np.corrcoef(start[:, 0], end[:, 0])[0, 1]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        (lambda x, y: x, 0.0),
        (lambda x, y: x > 0.5, 0.308538),
        (lambda x, y: x < -1.5, 0.0668072),
        (lambda x, y: x**2, 1.0),
        (lambda x, y: y, BEND),
        (lambda x, y: ((y - BEND * x**2) / WIDTH) ** 2, 1.0),
    ],
)
def test_moments_stay(moved, statistic, expected):
    values = np.asarray(statistic(*moved[1].T), float)
    # Particles are independent: four standard errors.
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(N))
