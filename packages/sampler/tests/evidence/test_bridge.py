"""Evidences by bridge sampling against closed forms, and whether the error told is the error made."""

import jax.numpy as jnp
import numpy as np
import pytest
from sampler import MalaConfig, ParameterSpace, Uniform, log_evidence, sample
from sampler.evidence.bridge import bridge

BEND, WIDTH = 1.0, 0.3


def banana(z):
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - BEND * z[0] ** 2) / WIDTH) ** 2


def exact_banana(rng, shape):
    x, e = rng.standard_normal((2, *shape))
    return np.stack([x, BEND * x**2 + WIDTH * e], axis=-1)


@pytest.mark.parametrize("dim", [1, 2, 15, 40])
def test_a_gaussian_of_any_dimension(dim):
    rng = np.random.default_rng(dim)
    factor = np.linalg.qr(rng.standard_normal((dim, dim)))[0] * np.geomspace(1, 1e-3, dim)
    inverse = jnp.asarray(np.linalg.inv(factor))
    draws = rng.standard_normal((4, 1000, dim)) @ factor.T + 3.0

    def density(z):
        return -0.5 * jnp.sum((inverse @ (z - 3.0)) ** 2) - 7e4  # an offset that no exponential survives

    values = -0.5 * np.sum((np.linalg.inv(factor) @ (draws - 3.0)[..., None])[..., 0] ** 2, axis=-1) - 7e4
    found = log_evidence(density, draws, values, seed=1)
    truth = 0.5 * dim * np.log(2 * np.pi) + np.log(np.abs(np.linalg.det(factor))) - 7e4
    assert found.log_evidence == pytest.approx(truth, abs=4 * found.error)
    # Of a thousand proposals, where posterior and proposal are nearly the same: in any dimension a few per cent.
    assert found.error < 0.1
    assert found.n_evaluations == 1000


def test_a_banana():
    draws = exact_banana(np.random.default_rng(2), (4, 1000))
    values = np.asarray(jnp.vectorize(banana, signature="(n)->()")(draws))
    found = log_evidence(banana, draws, values, seed=2)
    assert found.log_evidence == pytest.approx(np.log(2 * np.pi * WIDTH), abs=4 * found.error)
    assert found.error < 0.05


def test_a_posterior_that_piles_up_at_its_priors_bounds():
    """Likelihood exp(-k x) under a uniform prior: Z = (1 - exp(-k)) / k; by draws of MALA, correlated as they are."""
    space = ParameterSpace({"a": Uniform(0, 1), "b": Uniform(0, 1), "c": Uniform(-1, 1)})
    steep = jnp.asarray([30.0, 2.0])

    def density(z, steep):
        x = space.constrain_array(z)
        return -jnp.dot(steep, x[:2]) + space.log_prior(z)

    result = sample(density, jnp.zeros(3), MalaConfig(seed=3, target_ess=1000), args=(steep,))
    assert result.converged
    found = log_evidence(density, result.draws, result.log_density, args=(steep,), seed=3)
    truth = np.sum(np.log((1 - np.exp(-np.asarray(steep))) / np.asarray(steep)))
    assert found.log_evidence == pytest.approx(truth, abs=4 * found.error)
    assert found.error < 0.1


def test_the_error_is_the_scatter():
    """Two hundred repetitions with correlated draws: deviations over the errors told scatter by 1."""
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(200):
        # AR(1) chains of N(0, 1) with an autocorrelation time of 19 against a proposal N(0.5, 1.5).
        noise = rng.standard_normal((4, 800)) * np.sqrt(1 - 0.9**2)
        chain = np.empty_like(noise)
        state = rng.standard_normal(4)
        for i in range(noise.shape[1]):
            state = 0.9 * state + noise[:, i]
            chain[:, i] = state
        proposed = 0.5 + 1.5 * rng.standard_normal(300)

        def log_ratio(x):
            return -0.5 * x**2 + 0.5 * ((x - 0.5) / 1.5) ** 2 + np.log(1.5 * np.sqrt(2 * np.pi))

        estimate, error, _ = bridge(log_ratio(chain), log_ratio(proposed))
        pulls.append((estimate - 0.5 * np.log(2 * np.pi)) / error)
    # The mean of 200 pulls strays by 0.07, their standard deviation by a twentieth; the error itself is estimated.
    assert abs(np.mean(pulls)) < 0.3
    assert np.std(pulls) == pytest.approx(1.0, abs=0.25)


def test_the_overlap_by_quadrature():
    rng = np.random.default_rng(5)
    shift = 2.0
    draws, proposed = rng.standard_normal((4, 50_000)), shift + rng.standard_normal(50_000)

    def log_ratio(x):
        return -0.5 * x**2 + 0.5 * (x - shift) ** 2

    estimate, error, overlap = bridge(log_ratio(draws), log_ratio(proposed))
    assert estimate == pytest.approx(0.0, abs=4 * error)
    x = np.linspace(-10, 12, 20_001)
    p, q = np.exp(-0.5 * x**2), np.exp(-0.5 * (x - shift) ** 2)
    expected = 2 * np.trapezoid(p * q / (p + q), x) / np.sqrt(2 * np.pi)
    assert overlap == pytest.approx(expected, abs=0.01)


def test_proposals_where_the_density_vanishes_count_as_none():
    """Half a normal, cut where the kernels reach beyond."""
    draws = np.abs(np.random.default_rng(6).standard_normal((4, 2000, 1)))

    def half(z):
        return jnp.where(z[0] < 0, jnp.nan, -0.5 * z[0] ** 2)

    found = log_evidence(half, draws, -0.5 * draws[..., 0] ** 2, n_proposals=4000, seed=6)
    assert found.log_evidence == pytest.approx(0.5 * np.log(np.pi / 2), abs=4 * found.error)


@pytest.mark.parametrize(
    ("draws", "values", "message"),
    [
        (np.zeros((4, 100)), np.zeros((4, 100)), "expected"),
        (np.zeros((4, 100, 2)), np.zeros((4, 99)), "expected"),
        (np.zeros((4, 10, 2)), np.zeros((4, 10)), "at least 50"),
        (np.zeros((4, 100, 2)), np.zeros((4, 100)), "lie in a plane"),
    ],
)
def test_bad_draws_are_refused(draws, values, message):
    with pytest.raises(ValueError, match=message):
        log_evidence(banana, draws, values)
