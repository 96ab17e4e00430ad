"""The kernel against an independent formula, known moments, and its behaviour where the density fails."""

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import MalaConfig, SequentialDensity, sample
from sampler.chains.adaptation import step_size_start, update_preconditioner, window_ends
from sampler.chains.mala_block import block_program
from sampler.chains.state import Chains
from sampler.density import evaluate, guarded, value_program

DIM = 15
RNG = np.random.default_rng(7)
AXES = np.linalg.qr(RNG.normal(size=(DIM, DIM)))[0]
COVARIANCE = (AXES * np.logspace(0, -6, DIM)) @ AXES.T  # condition number 1e6, no axis aligned
CENTRE = RNG.normal(size=DIM)
WHITENER = np.linalg.inv(np.linalg.cholesky(COVARIANCE))


def gaussian(z):
    return -0.5 * jnp.sum((jnp.asarray(WHITENER, z.dtype) @ (z - jnp.asarray(CENTRE, z.dtype))) ** 2)


def banana(z):
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - 0.3 * z[0] ** 2) / 0.7) ** 2


def block_arguments(log_density, position, factor, eps, adapt=False, seed=0):
    value, gradient = jax.vmap(jax.value_and_grad(guarded(log_density)))(position)
    tuning = jnp.asarray(step_size_start(np.log(eps)))
    state = blackjax.adaptation.step_size.DualAveragingAdaptationState(*tuning)
    chains = Chains(position, value, gradient @ factor)
    return chains, state, factor, jax.random.key(seed), jnp.asarray(adapt), ()


def one_block(log_density, position, factor, eps, n_steps=1, adapt=False, seed=0):
    return block_program(log_density, n_steps)(*block_arguments(log_density, position, factor, eps, adapt, seed))


def test_acceptance_matches_the_textbook_formula():
    """Metropolis-Hastings ratio with q(x'|x) = N(x + eps^2/2 S grad(x), eps^2 S), in z, in plain NumPy."""
    factor = np.array([[0.9, 0.0], [0.4, 1.2]])
    eps, n_chains = 1.1, 400
    start = jnp.asarray(np.random.default_rng(1).normal(size=(n_chains, 2)))
    block = one_block(banana, start, jnp.asarray(factor), eps)
    moved = np.any(np.asarray(block.positions[0]) != np.asarray(start), axis=1)
    x, y = np.asarray(start)[moved], np.asarray(block.positions[0])[moved]

    def value(z):
        return -0.5 * z[:, 0] ** 2 - 0.5 * ((z[:, 1] - 0.3 * z[:, 0] ** 2) / 0.7) ** 2

    def gradient(z):
        misfit = (z[:, 1] - 0.3 * z[:, 0] ** 2) / 0.49
        return np.stack([-z[:, 0] + 0.6 * z[:, 0] * misfit, -misfit], axis=1)

    s = factor @ factor.T

    def log_q(to, at):
        r = to - at - 0.5 * eps**2 * gradient(at) @ s
        return -0.5 * np.einsum("ni,ij,nj->n", r, np.linalg.inv(eps**2 * s), r)

    expected = np.minimum(1.0, np.exp(value(y) - value(x) + log_q(x, y) - log_q(y, x)))
    assert 0.3 < moved.mean() < 0.95  # both outcomes occur
    # Same formula in another order of operations: double rounding only.
    np.testing.assert_allclose(np.asarray(block.acceptance)[moved], expected, rtol=1e-10)


def test_a_long_block_keeps_value_and_score_consistent():
    factor = jnp.asarray([[0.9, 0.0], [0.4, 1.2]])
    block = one_block(banana, jnp.zeros((3, 2)), factor, 0.8, n_steps=200)
    value, gradient = jax.vmap(jax.value_and_grad(banana))(block.chains.position)
    np.testing.assert_allclose(block.chains.log_density, value, atol=1e-10)
    np.testing.assert_allclose(block.chains.score, gradient @ factor, atol=1e-9)


def test_step_size_is_untouched_unless_adapting():
    frozen = one_block(banana, jnp.zeros((3, 2)), jnp.eye(2), 0.8, n_steps=20)
    assert float(frozen.step_size.log_step_size) == np.log(0.8)
    tuned = one_block(banana, jnp.zeros((3, 2)), jnp.eye(2), 0.8, n_steps=20, adapt=True)
    assert float(tuned.step_size.log_step_size) != np.log(0.8)


@pytest.fixture(scope="module")
def correlated():
    with jax.enable_x64(True):
        start = jnp.asarray(CENTRE + 1e-3)
        return sample(gaussian, start, MalaConfig(seed=3, target_ess=1500, n_warmup=1000, max_steps=6000))


def test_moments_of_a_gaussian_of_condition_1e6(correlated):
    summary = correlated.summary
    assert correlated.converged
    sd = np.sqrt(np.diag(COVARIANCE))
    # Monte Carlo error of a mean is sd / sqrt(ESS); the largest of 15 stays within 4 of them.
    assert np.max(np.abs(summary.mean - CENTRE) / sd * np.sqrt(summary.ess_bulk)) < 4
    y = (correlated.draws.reshape(-1, DIM) - CENTRE) @ WHITENER.T
    # ESS > 1500 of y and y^2 alike: the sd of a whitened variance is sqrt(2 / 1500) = 0.037, four of them.
    np.testing.assert_allclose(np.diag(np.cov(y.T)), 1.0, atol=0.15)


def test_dual_averaging_reaches_its_target(correlated):
    assert correlated.acceptance.mean() == pytest.approx(0.574, abs=0.05)


def test_preconditioner_is_the_inverse_fisher_matrix(correlated):
    whitened = WHITENER @ correlated.preconditioner @ WHITENER.T
    # The last window holds about 400 x 4 gradients, of which a quarter count as independent: an
    # eigenvalue of a Wishart matrix with 400 degrees in 15 dimensions strays by 2 sqrt(15/400) = 0.4.
    assert np.all(np.abs(np.linalg.eigvalsh(whitened) - 1) < 0.5)


def test_moments_of_a_banana_by_quadrature_free_closed_form():
    result = sample(banana, jnp.zeros(2), MalaConfig(seed=1, target_ess=1500, max_steps=20_000))
    assert result.converged
    error = result.summary.sd / np.sqrt(result.summary.ess_bulk)
    # x0 ~ N(0, 1) and x1 = 0.3 x0^2 + 0.7 xi: mean 0.3, variance 0.18 + 0.49.
    assert np.all(np.abs(result.summary.mean - [0.0, 0.3]) < 4 * error)
    np.testing.assert_allclose(result.summary.sd, [1.0, np.sqrt(0.67)], rtol=4 / np.sqrt(2 * 1500) + 0.02)


def test_float32_density_with_a_huge_offset_samples_well():
    with jax.enable_x64(False):
        result = sample(
            lambda z: gaussian(z) - 3e3, jnp.asarray(CENTRE, jnp.float32), MalaConfig(seed=2, max_steps=4000)
        )
    assert result.draws.dtype == np.float32
    assert result.converged
    sd = np.sqrt(np.diag(COVARIANCE))
    assert np.max(np.abs(result.summary.mean - CENTRE) / sd * np.sqrt(result.summary.ess_bulk)) < 4


@pytest.mark.slow
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_non_finite_density_is_a_rejection(bad):
    """Half a normal: everything at z0 < 0 fails. The chain must sample the other half, undisturbed."""
    messages = []

    def broken(z):
        return jnp.where(z[0] < 0, bad, -0.5 * jnp.sum(z**2))

    result = sample(broken, jnp.ones(2), MalaConfig(seed=5, max_steps=8000), progress=messages.append)
    assert result.converged
    assert np.all(result.draws[..., 0] >= 0)
    assert all(np.all(np.isfinite(a)) for a in (result.draws, result.log_density, result.factor, result.step_size))
    assert all(np.isfinite(v) for m in messages for v in m[1:] if v is not None)
    error = result.summary.sd[0] / np.sqrt(result.summary.ess_bulk[0])
    assert abs(result.summary.mean[0] - np.sqrt(2 / np.pi)) < 4 * error


def test_nan_gradient_with_a_finite_value_is_a_rejection():
    def broken(z):
        return -0.5 * jnp.sum(z**2) + 0.0 * jnp.sqrt(jnp.where(z[0] < 0, 0.0 * z[0], z[0]))

    value, gradient = jax.value_and_grad(guarded(broken))(jnp.array([-1.0, 0.5]))
    assert value == -jnp.inf
    np.testing.assert_array_equal(gradient, 0.0)


def test_renew_recovers_a_known_fisher_matrix_and_rewhitens_the_scores():
    rng = np.random.default_rng(0)
    old = np.linalg.cholesky(COVARIANCE * 3.0)
    gradients = rng.normal(size=(200_000, DIM)) @ WHITENER  # Fisher matrix = inverse covariance
    scores = gradients @ old
    new, rewhitened = update_preconditioner(old, scores[:4], scores.T @ scores, len(scores))
    # Wishart scatter of 2e5 gradients is 2 sqrt(15 / 2e5) = 0.02; the damping adds 15 / 5e4.
    whitened = np.linalg.eigvalsh(WHITENER @ new @ new.T @ WHITENER.T)
    np.testing.assert_allclose(whitened, 1.0, atol=0.03)
    np.testing.assert_allclose(rewhitened, gradients[:4] @ new, rtol=1e-6)


@pytest.mark.parametrize(("n_warmup", "block"), [(600, 25), (1000, 50), (100, 25), (25, 25)])
def test_windows_are_whole_blocks_and_leave_a_third_for_the_step_size(n_warmup, block):
    ends = window_ends(n_warmup, block)
    assert all(end % block == 0 for end in ends)
    assert list(ends) == sorted(set(ends))
    assert not ends or ends[-1] <= 2 * n_warmup / 3 + 1e-9


def wide(z):
    """Keep a million numbers at once; the same for all z of one sum."""
    return -0.5 * jnp.sum(jnp.sort(jnp.cos(jnp.linspace(0, 1, 1_000_000) * jnp.sum(z)))) / 1e6 - 0.5 * jnp.sum(z**2)


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators take all chains at once")
def test_a_sequential_density_is_the_same_chain_in_the_memory_of_one():
    start = jnp.asarray(RNG.normal(size=(4, 2)))
    positions, memory = {}, {}
    for name, density in (("together", wide), ("apart", SequentialDensity(wide))):
        arguments = block_arguments(density, start, jnp.eye(2), 1.0, adapt=True)
        steps = block_program(density, 5).lower(*arguments).compile()
        values = value_program(density).lower(start, ()).compile()  # as jumps take them
        positions[name] = steps(*arguments).positions
        memory[name] = np.array([program.memory_analysis().temp_size_in_bytes for program in (steps, values)])
    # Of four chains a quarter, but for a copy: values alone are sorted in place if all chains are taken together.
    assert np.all(memory["apart"] < [0.4, 0.6] * memory["together"])
    # Rounding may differ, as it does with the shape of a sum.
    np.testing.assert_allclose(positions["apart"], positions["together"], rtol=1e-10)
    assert SequentialDensity(wide).__name__ == "wide"


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="accelerators take all chains at once")
@pytest.mark.parametrize(
    ("n_chains", "devices_are_cores", "expected"), [(1, True, 0.0), (4, False, 0.0), (4, True, 1.0)]
)
def test_only_chains_that_take_turns_on_a_core_use_the_form_for_that(
    n_chains, devices_are_cores, expected, monkeypatch
):
    """Told by a constant that it adds here, to values and to those beside gradients."""
    monkeypatch.setattr("sampler.density.devices_are_cores", lambda: devices_are_cores)
    monkeypatch.setattr("sampler.devices.jax.local_devices", lambda: jax.devices()[:1])
    density = SequentialDensity(lambda z: gaussian(z), single_core=lambda z: gaussian(z) + 1)
    start = RNG.normal(size=(n_chains, DIM))
    values, gradients = jax.vmap(jax.value_and_grad(gaussian))(jnp.asarray(start))
    np.testing.assert_allclose(value_program(density)(jnp.asarray(start), ()) - values, expected, atol=1e-9)
    found, slopes = evaluate(density, start, (), n_chains)
    np.testing.assert_allclose(found - values, expected, atol=1e-9)
    np.testing.assert_allclose(slopes, gradients, rtol=1e-9)
