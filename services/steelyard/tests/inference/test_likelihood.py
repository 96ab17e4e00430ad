import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from steelyard.inference.density import CellData, residual_squared
from steelyard.inference.likelihood import LIKELIHOODS, gaussian, gaussian_x2, student_t


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    n = 40
    return {
        "mean": rng.normal(size=n) + 1j * rng.normal(size=n),
        "models": rng.normal(size=(2, n)) + 1j * rng.normal(size=(2, n)),
        "variance": rng.uniform(0.1, 3, n),
        "dof": rng.uniform(2, 60, n),
    }


def difference(kind, cells):
    """Log-likelihood of the first model less that of the second: constants drop out."""
    data = CellData(*(jnp.asarray(a) for a in (cells["mean"], 1 / cells["variance"], cells["dof"])))
    first, second = (
        float(LIKELIHOODS[kind](residual_squared(jnp.asarray(m), data), data.dof)) for m in cells["models"]
    )
    return first - second


def pairs(z):
    return np.stack([z.real, z.imag], axis=-1)


def test_student_t_is_the_bivariate_t_of_scipy(cells):
    with jax.enable_x64(True):
        found = difference("student_t", cells)
    expected = 0.0
    for sign, model in zip((1, -1), cells["models"], strict=True):
        for x, mu, s2, nu in zip(pairs(cells["mean"]), pairs(model), cells["variance"], cells["dof"], strict=True):
            expected += sign * stats.multivariate_t(loc=mu, shape=s2 * np.eye(2), df=nu).logpdf(x)
    # Both in double precision; forty terms of order one.
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("kind", "widening"), [("gaussian", 1.0), ("gaussian_x2", 2.0)])
def test_gaussians_are_those_of_scipy(cells, kind, widening):
    with jax.enable_x64(True):
        found = difference(kind, cells)
    sigma = widening * np.sqrt(cells["variance"])[:, None]
    first, second = (stats.norm(pairs(m), sigma).logpdf(pairs(cells["mean"])).sum() for m in cells["models"])
    assert found == pytest.approx(first - second, abs=1e-10)


def test_student_t_tends_to_the_gaussian(cells):
    r2 = np.linspace(0, 9, 40)
    with jax.enable_x64(True):
        t = float(student_t(jnp.asarray(r2), jnp.full(40, 1e7)))
        assert t == pytest.approx(float(gaussian(jnp.asarray(r2), jnp.ones(40))), rel=1e-5)
        assert float(gaussian_x2(jnp.asarray(r2), jnp.ones(40))) == pytest.approx(-r2.sum() / 8, rel=1e-12)


def test_sums_keep_double_precision_on_single_precision_residuals():
    # A single-precision sum of a million such terms steps by 0.06.
    r2 = jnp.full(10**6, 2.0 + 2**-20, jnp.float32)
    with jax.enable_x64(True):
        assert float(gaussian(r2, r2)) == pytest.approx(-(10**6) - 10**6 * 2**-21, abs=1e-6)


def test_empty_cells_count_for_nothing(toy_problem):
    from steelyard.inference.density import cell_data

    uv_cells = toy_problem.model.uv_cells
    cells = cell_data(toy_problem.data, uv_cells)
    r2 = np.asarray(residual_squared(jnp.full(cells.mean.shape, 1e3 + 0j), cells))
    mask = toy_problem.data["mask"]
    np.testing.assert_array_equal(uv_cells.on_half_plane(r2, toy_problem.data.manifest.npix) > 0, mask)
    assert np.count_nonzero(r2) == np.count_nonzero(mask)
    assert np.all(np.asarray(cells.dof) > 0)
