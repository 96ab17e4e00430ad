import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import find_mode

RNG = np.random.default_rng(5)


def gaussian(condition, dim=15):
    axes = np.linalg.qr(RNG.normal(size=(dim, dim)))[0]
    covariance = (axes * np.geomspace(1, 1 / condition, dim)) @ axes.T
    return np.linalg.cholesky(covariance), RNG.normal(size=dim)


@pytest.mark.parametrize(
    ("dtype", "condition", "miss", "scale"),
    # The Newton step is done when it promises under 0.05, so within sqrt(2 * 0.05) = 0.32 widths. A Gaussian's
    # Hessian by central differences is exact but for rounding: eps * condition in the curvature.
    [(np.float64, 1e6, 0.32, 1e-8), (np.float32, 1e4, 0.32, 2e-2)],
)
def test_mode_and_curvature_of_an_ill_conditioned_gaussian(dtype, condition, miss, scale):
    factor, centre = gaussian(condition)
    whitener = jnp.asarray(np.linalg.inv(factor), dtype)

    def density(z):
        return -0.5 * jnp.sum((whitener @ (z - jnp.asarray(centre, dtype))) ** 2) + jnp.asarray(2e5, dtype)

    mode = find_mode(density, RNG.normal(size=(8, 15)).astype(dtype))
    assert mode.converged
    assert mode.positive_definite
    assert mode.position.dtype == dtype
    assert np.linalg.norm(np.linalg.solve(factor, mode.position - centre)) < miss
    np.testing.assert_allclose(np.linalg.svd(np.linalg.solve(factor, mode.factor))[1], 1.0, rtol=scale)
    assert not mode.rivals


def test_curvature_of_a_density_with_other_tails():
    """log cosh has unit curvature at its peak: the Hessian at the mode is -A^T A."""
    mixing, centre = RNG.normal(size=(5, 5)) + 2 * np.eye(5), RNG.normal(size=5)

    def density(z):
        y = jnp.asarray(mixing) @ (z - centre)
        return -jnp.sum(jnp.logaddexp(y, -y))

    mode = find_mode(density, RNG.normal(size=(8, 5)))
    assert mode.converged
    assert np.linalg.norm(mixing @ (mode.position - centre)) < 0.32
    # Half a width from the peak the gradient tanh(y) / y has dropped by 8 %, so widths come out up to 4 % larger;
    # within 0.32 of it, by as much again.
    np.testing.assert_allclose(np.linalg.svd(mixing @ mode.factor)[1], 1.0, rtol=0.1)


def test_mode_of_a_curved_valley():
    def rosenbrock(z):
        return -20.0 * (z[1] - z[0] ** 2) ** 2 - 0.5 * (1.0 - z[0]) ** 2

    mode = find_mode(rosenbrock, RNG.normal(size=(8, 2)))
    width = np.linalg.cholesky(np.linalg.inv(-jax.hessian(rosenbrock)(jnp.ones(2))))
    assert mode.converged
    assert np.linalg.norm(np.linalg.solve(width, mode.position - 1.0)) < 0.32
    # Half a width along the tangent the valley's walls already stand up: narrower than the Hessian, never wider.
    ratios = np.linalg.svd(np.linalg.solve(width, mode.factor))[1]
    assert np.all((ratios > 0.3) & (ratios < 1.1))


def two_peaks(drop):
    def density(z):
        return jnp.logaddexp(-50 * jnp.sum((z - 1.5) ** 2), -50 * jnp.sum((z + 1.5) ** 2) - drop)

    return density


@pytest.mark.parametrize(("drop", "verdict"), [(2.0, "rival"), (60.0, "minor")])
def test_starts_in_another_peak_are_reported(drop, verdict):
    starts = np.array([[1.0, 2.0, 1.0], [-1.0, -2.0, -1.0], [2.0, 1.0, 1.5], [-2.0, -1.0, -1.5]])
    mode = find_mode(two_peaks(drop), starts)
    np.testing.assert_allclose(mode.position, 1.5, atol=0.03)
    assert [s.verdict for s in mode.starts] == ["mode", verdict, "mode", verdict]
    assert mode.starts[1].log_density == pytest.approx(-drop, abs=0.1)
    assert len(mode.rivals) == (verdict == "rival")  # two starts ended on it
    for rival in mode.rivals:
        np.testing.assert_allclose(rival.position, -1.5, atol=0.03)
        assert rival.log_mass - mode.log_mass == pytest.approx(-drop, abs=0.1)


def test_starts_outside_the_support_do_no_harm():
    def half(z):
        return jnp.where(z[0] < 0, jnp.nan, -0.5 * jnp.sum((z - 1.0) ** 2))

    mode = find_mode(half, np.array([[-1.0, 0.0], [0.5, 0.0], [-3.0, 1.0]]))
    np.testing.assert_allclose(mode.position, 1.0, atol=0.32)
    assert [s.verdict for s in mode.starts] == ["unfinished", "mode", "unfinished"]
    with pytest.raises(ValueError, match="no start has a finite"):
        find_mode(half, -np.ones((2, 2)))
    with pytest.raises(ValueError, match="expected"):
        find_mode(half, np.ones(2))


def test_a_saddle_is_left_and_a_flat_direction_does_not_diverge():
    def saddle(z):
        return 2.0 * z[0] ** 2 - z[0] ** 4 - 0.5 * z[1] ** 2 + 0.0 * z[2]

    mode = find_mode(saddle, np.array([[1e-3, 0.5, 0.0]]), n_steps=40)
    assert abs(mode.position[0]) == pytest.approx(1.0, abs=0.1)
    assert np.all(np.isfinite(mode.factor))


def test_noise_of_float32_size_does_not_stop_the_search():
    """A density of order 1e6 in float32 moves in steps of 0.06; its gradient is as noisy."""
    factor, centre = gaussian(1e3, dim=6)
    whitener = jnp.asarray(np.linalg.inv(factor))

    def rounded(z):
        y = whitener @ (z - centre)
        exact = -0.5 * jnp.sum(y**2)
        noise = 0.06 * jnp.sin(1e5 * jnp.sum(jax.lax.stop_gradient(y)))
        return exact + noise

    mode = find_mode(rounded, RNG.normal(size=(4, 6)))
    # The noise hides gains under 0.06, which is sqrt(2 * 0.06) = 0.35 widths, and the test of 0.05 adds to it.
    assert np.linalg.norm(np.linalg.solve(factor, mode.position - centre)) < 0.5


def test_progress_ends_where_it_said():
    seen = []
    find_mode(two_peaks(5.0), RNG.normal(size=(4, 3)), n_steps=30, progress=seen.append)
    assert {p.phase for p in seen} == {"optimise"}
    assert all(p.step <= p.total for p in seen)
    assert seen[-1].log_density >= seen[0].log_density


def test_only_starts_that_need_it_climb_on():
    """Half of the steps, and the rest of them where a start is on a peak of its own: counted in gradients."""
    starts = 1.5 + 0.3 * np.array([[1.0, 2.0, 1.0], [-1.0, -2.0, -1.0], [2.0, 1.0, -1.5], [-2.0, 1.0, 1.5]])
    agreed = find_mode(two_peaks(2.0), starts, n_steps=100)
    apart = find_mode(two_peaks(2.0), starts * [[1], [-1], [1], [1]], n_steps=100)
    assert [s.verdict for s in agreed.starts] == ["mode"] * 4
    assert [s.verdict for s in apart.starts] == ["mode", "rival", "mode", "mode"]
    few = 4 * 50 + 60  # Newton's steps and the verdict take the 60
    assert agreed.n_gradients < few
    # The rival takes Newton's steps of its own.
    assert agreed.n_gradients + 50 <= apart.n_gradients < few + 50 + 60 + 60 + 60
