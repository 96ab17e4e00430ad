"""Means over cells from the light at their centres."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from kinematics.render.cell_mean import cell_means
from kinematics.render.line import Subcells


def light(x, y):
    """A lopsided blob that rotates, with a dispersion that changes."""
    flux = np.exp(-(x**2) - 0.5 * y**2 + 0.4 * x * y - 0.3 * x)
    return flux, 1000.0 + 60 * np.sin(x + 0.5 * y) + 25 * y, 9.0 + 2 * np.cos(y) + 0 * x


def moments(side):
    """Flux, mean and standard deviation of the velocities within cells, by quadrature, and those that are found."""
    centres = side * (np.arange(8) - 3.5)
    node, weight = np.polynomial.legendre.leggauss(6)
    fine = (centres[:, None] + 0.5 * side * node).ravel()
    flux, velocity, sigma = (
        field.reshape(8, 6, 8, 6).transpose(0, 2, 1, 3) for field in light(fine[None, :], fine[:, None])
    )
    share = flux * np.outer(weight, weight) / 4
    total = share.sum((2, 3))
    mean = (share * velocity).sum((2, 3)) / total
    variance = (share * ((velocity - mean[..., None, None]) ** 2 + sigma**2)).sum((2, 3)) / total
    around = side * (np.arange(10) - 4.5)
    found = cell_means(Subcells(*(jnp.asarray(field) for field in light(around[None, :], around[:, None]))))
    return (total, mean, np.sqrt(variance)), found


def test_moments_are_those_of_quadrature_to_fourth_order():
    errors = []
    for side in (0.2, 0.1):
        truth, found = moments(side)
        errors.append([abs(a - b).max() for a, b in zip(found, truth, strict=True)])
    # Means that leave the light at the cells' centres are off by 5e-3, 1.4 km/s and 0.8 km/s at 0.2.
    assert errors[0][0] < 2e-4
    assert errors[0][1] < 0.03
    assert errors[0][2] < 0.03
    # Sixteen in the limit; 12 rules out third order.
    assert all(coarse / fine > 12 for coarse, fine in zip(*errors, strict=True))


def test_a_velocity_that_changes_evenly_widens_the_line_as_a_top_hat_does():
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0))
    means = cell_means(Subcells(jnp.ones((4, 5)), jnp.asarray(500 + 3 * x + 4 * y), jnp.full((4, 5), 8.0)))
    np.testing.assert_allclose(means.sigma_kms, np.sqrt(64 + 25 / 12), rtol=1e-12)
    np.testing.assert_allclose(means.velocity_kms, (500 + 3 * x + 4 * y)[1:-1, 1:-1], rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dark_cells_have_finite_lines_and_gradients(dtype):
    """Cover cells without light, with lit neighbours only, with light of either sign, and velocities >> width."""
    flux = jnp.zeros((9, 9), dtype).at[4, 4].set(1.0).at[7, 5].set(-1.0)
    velocity = jnp.asarray(3000 * np.sign(np.arange(9) - 4.2), dtype) * jnp.ones((9, 1), dtype)

    def total(flux, velocity):
        means = cell_means(Subcells(flux, velocity, jnp.ones((9, 9), dtype)))
        return jnp.sum(means.flux * (means.velocity_kms + means.sigma_kms)), means

    (_, means), gradient = jax.value_and_grad(total, (0, 1), has_aux=True)(flux, velocity)
    assert all(jnp.isfinite(field).all() for field in (*means, *gradient))
    assert (means.sigma_kms >= 1).all()
    assert means.flux.dtype == dtype


def test_gradients_are_those_of_differences():
    x = 0.3 * (np.arange(7) - 3.2)
    points = Subcells(*(jnp.asarray(field) for field in light(x[None, :], x[:6, None])))
    pull = Subcells(*np.random.default_rng(0).normal(size=(3, 4, 5)))

    def score(points):
        return sum(jnp.sum(a * b) for a, b in zip(cell_means(points), pull, strict=True))

    # Central differences of 1e-4 of the values: 1e-8 for truncation, 1e-9 for rounding beside 1000 km/s.
    jax.test_util.check_grads(score, (points,), order=1, modes=["rev"], rtol=1e-5, eps=1e-3)
