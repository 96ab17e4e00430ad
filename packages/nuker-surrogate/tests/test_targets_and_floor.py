import numpy as np
import pytest
from nuker_surrogate.deconvolution import profile_sampling
from nuker_surrogate.deprojection import density, enclosed_rule
from nuker_surrogate.domain import from_box, sample_box
from nuker_surrogate.evaluate import worst_errors
from nuker_surrogate.floor import solve_floor
from nuker_surrogate.law import NukerParams, surface_density
from nuker_surrogate.mge import gaussian_masses_pc2, mge_density, mge_surface_density, sigma_grid_pc
from nuker_surrogate.ridge import ridge_projector
from nuker_surrogate.targets import loss_targets
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
        sampling = profile_sampling(SIGMA)
        scale = (sampling.profile(law) @ sampling.scale_matrix.T)[0]
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
    sampling = profile_sampling(SIGMA)
    scale = sampling.profile(reference.params) @ sampling.scale_matrix.T
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
        profile_sampling(np.array([1.0, 2.0, 5.0]))
