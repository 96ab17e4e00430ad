"""Smooth departures of an MGE from its law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import MGE
from kinematics.mass.flexible import LogProcess, flexible_mge
from kinematics.mass.mge import mge_circular_velocity_squared

AMPLITUDE, LENGTH, KNOTS = 0.15, 0.4, 8


@pytest.fixture
def process():
    return LogProcess.between(3.0, 500.0, KNOTS, AMPLITUDE, LENGTH)


def test_draws_have_the_declared_covariance(process):
    """Analytic covariance of the map, against the squared exponential at the knots."""
    radii = 10 ** np.asarray(process.log10_knots_pc)
    with jax.enable_x64(True):
        jacobian = np.asarray(jax.jacobian(lambda scores: process(scores, radii))(jnp.zeros(KNOTS)))
    x = np.log10(radii)
    expected = AMPLITUDE**2 * np.exp(-0.5 * ((x[:, None] - x) / LENGTH) ** 2)
    np.testing.assert_allclose(jacobian @ jacobian.T, expected, atol=1e-8)


def test_between_the_knots_its_width_hardly_falls_and_far_away_it_ends(process):
    """Knots lie closer than the correlation length: a process on eight knots is nearly the whole one."""
    radii = np.geomspace(3.0, 500.0, 200)
    with jax.enable_x64(True):
        widths = np.linalg.norm(jax.jacobian(lambda scores: process(scores, radii))(jnp.zeros(KNOTS)), axis=1)
        assert np.abs(process(np.ones(KNOTS), np.array([1e-3, 1e6]))).max() < 1e-6
    assert widths.min() > 0.97 * AMPLITUDE
    assert widths.max() <= AMPLITUDE * (1 + 1e-6)


def test_scores_of_zero_change_nothing(process):
    mge = MGE(np.array([3.0, -0.5, 1.0]), np.array([5.0, 20.0, 400.0]), 0.7)
    found = flexible_mge(mge, process, np.zeros(KNOTS))
    np.testing.assert_array_equal(found.surface_density_msun_pc2, mge.surface_density_msun_pc2)


def test_gaussians_are_multiplied_at_their_dispersions(process):
    """Two Gaussians apart: v_c^2 is the sum of theirs, each times exp(delta), delta by direct kriging."""
    sigma, density = np.array([4.0, 300.0]), np.array([50.0, 2.0])
    scores = np.random.default_rng(1).standard_normal(KNOTS)
    with jax.enable_x64(True):
        x, s = np.asarray(process.log10_knots_pc), np.log10(sigma)
        correlation = np.exp(-0.5 * ((x[:, None] - x) / LENGTH) ** 2)
        values = AMPLITUDE * np.linalg.cholesky(correlation) @ scores
        delta = np.exp(-0.5 * ((s[:, None] - x) / LENGTH) ** 2) @ np.linalg.solve(correlation, values)
        radii = np.array([1.0, 10.0, 100.0])
        found = mge_circular_velocity_squared(flexible_mge(MGE(density, sigma, 0.6), process, scores), 0.9, radii)
        each = [
            np.exp(d) * mge_circular_velocity_squared(MGE(np.array([b]), np.array([r]), 0.6), 0.9, radii)
            for d, b, r in zip(delta, density, sigma, strict=True)
        ]
    np.testing.assert_allclose(found, each[0] + each[1], rtol=1e-5)  # the jitter shows at 1e-7
