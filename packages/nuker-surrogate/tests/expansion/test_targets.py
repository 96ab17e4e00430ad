import numpy as np
import pytest
from nuker_surrogate.expansion.accuracy import worst_errors
from nuker_surrogate.expansion.deconvolution import deconvolution_cost, fit_deconvolution
from nuker_surrogate.expansion.least_squares import solve_floor
from nuker_surrogate.expansion.mge import gaussian_masses_pc2, mge_density, mge_surface_density, sigma_grid_pc
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.ridge import ridge_projector
from nuker_surrogate.expansion.targets import columns, loss_targets
from nuker_surrogate.law.deprojection import density, enclosed_rule
from nuker_surrogate.law.domain import from_box, sample_box
from nuker_surrogate.law.nuker import NukerParams, surface_density
from scipy import integrate

SIGMA = sigma_grid_pc()


def test_the_mass_matrix_agrees_with_the_nested_quadrature():
    # Two independent routes to M(R): one integral over Sigma' here, Abel and shell integrals there.
    # 1e-9 is what both promise; the corners have the sharpest and the widest breaks.
    targets = loss_targets(SIGMA)
    rule = enclosed_rule(targets.R_pc, 2.0)
    box = sample_box(25, np.random.default_rng(3), faces=0.5)
    masses = targets.mass_pc2(from_box(box))
    for law, mass in zip(zip(*from_box(box), strict=True), masses, strict=True):
        exact = rule.enclosed_mass(density(rule.m_pc, NukerParams(*law)))
        np.testing.assert_allclose(mass, exact, rtol=1e-9)


def test_the_mass_of_a_gaussian_is_the_integral_of_its_density():
    sigma = np.array([30.0])
    for R in (5.0, 30.0, 200.0):
        shells = integrate.quad(
            lambda r: 4 * np.pi * r**2 * mge_density(np.array([r]), np.ones(1), sigma)[0], 0, R, epsrel=1e-11
        )[0]
        np.testing.assert_allclose(gaussian_masses_pc2([R], sigma)[0, 0], shells, rtol=1e-10)


def test_the_cusp_scale_is_the_mass_within_the_narrowest_gaussian():
    # A power law holds 2 pi R^2 Sigma / (2 - gamma); the six-point rule is but a scale: 3 % is ample.
    for gamma in (0.001, 0.6, 1.2):
        law = NukerParams(*np.array([[5.0], [gamma + 2], [gamma], [1000.0]]))
        scale = radial_features(SIGMA).scale(law, np)[0]
        expected = surface_density(SIGMA, law, xp=np)
        expected[0] /= 2 - gamma
        np.testing.assert_allclose(scale, expected, rtol=0.03)


def test_a_sum_of_gaussians_is_what_it_says():
    R = np.array([1.0, 50.0, 4e3])
    c = np.linspace(1, 2, 64)
    expected = [sum(c * np.exp(-(r**2) / (2 * SIGMA**2))) for r in R]
    np.testing.assert_allclose(mge_surface_density(R, c, SIGMA), expected, rtol=2e-6)  # single precision


def _percentiles(coefficients, reference):
    errors = worst_errors(coefficients, SIGMA, reference)
    return np.percentile(errors["circular_velocity", 1.0], (50, 95, 99))


def test_the_floor_of_the_basis(reference):
    # 64 Gaussians allow 0.01 / 0.06 / 0.09 % (median / 95 / 99 % of laws); a wrong mass or weight shows at once.
    scale = radial_features(SIGMA).scale(reference.params, np)
    solution = solve_floor(loss_targets(SIGMA), reference.params, scale)
    median, p95, p99 = _percentiles(solution.coefficients, reference)
    assert median < 2e-4
    assert p95 < 8e-4
    assert p99 < 1.5e-3
    # A larger ridge gives tamer coefficients.
    damped = solve_floor(loss_targets(SIGMA), reference.params, scale, ridge=0.03)
    assert np.abs(damped.coefficients / scale).max() < np.abs(solution.coefficients / scale).max()


def test_the_ridge_projector_has_the_errors_known_of_it(reference):
    # Measured independently on SuperMAGE's own projector: 0.9 / 4.9 / 10 %. 200 laws fix the median to 15 %.
    projector = ridge_projector()
    profile = surface_density(projector.R_pc, NukerParams(*(leaf[:, None] for leaf in reference.params)), xp=np)
    median, p95, _ = _percentiles(profile @ projector.matrix.T, reference)
    assert 0.006 < median < 0.016
    assert 0.03 < p95 < 0.09


def test_widths_must_be_log_uniform():
    with pytest.raises(ValueError, match="log-uniform"):
        radial_features(np.array([1.0, 2.0, 5.0]))


def test_the_features_are_profile_and_slope():
    # Against a central difference, whose own error is 1e-8 at this step.
    features = radial_features(SIGMA)
    law = NukerParams(*np.array([[0.7, 9.0], [2.0, 4.1], [0.3, 1.1], [3.0, 700.0]]))
    seen = features.of(law, np)
    assert seen.shape == (2, features.n_features)
    n_c, n_R, step = features.cusp_radius_pc.size, features.R_pc.size, 1e-4
    ahead, behind = (surface_density(features.R_pc * np.exp(s), columns(law), xp=np) for s in (step, -step))
    np.testing.assert_allclose(seen[:, n_c : n_c + n_R], surface_density(features.R_pc, columns(law), xp=np))
    np.testing.assert_allclose(seen[:, n_c + n_R :], (behind - ahead) / (2 * step), rtol=1e-6)


def test_the_deconvolution_is_the_least_squares_solution():
    """No small change of the matrix lowers the cost; a regression of another cost would not stand still there."""
    features, targets = radial_features(SIGMA), loss_targets(SIGMA)
    law = from_box(sample_box(1500, np.random.default_rng(4)))
    matrix = fit_deconvolution(targets, features, law, ridge=1e-9)
    cost = deconvolution_cost(targets, features, law, matrix).sum()
    rng = np.random.default_rng(5)
    for size in (1e-3, 1e-4):
        change = size * matrix * rng.normal(size=matrix.shape)
        ahead, behind = (deconvolution_cost(targets, features, law, matrix + sign * change).sum() for sign in (1, -1))
        assert min(ahead, behind) > cost
        # A quadratic about its minimum: what is odd in the change vanishes beside what is even.
        assert abs(ahead - behind) < 0.01 * (ahead + behind - 2 * cost)


def test_the_targets_follow_the_grid():
    sigma = sigma_grid_pc(24, 0.1, 1e4)
    targets = loss_targets(sigma)
    assert targets.R_pc[0] == pytest.approx(0.1)
    assert targets.R_pc.size == 125
    assert (targets.profile_weight[targets.R_pc > 0.5] >= 0.1).all()
