import numpy as np
from nuker_surrogate.expansion.least_squares import solve_least_squares
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.targets import loss_targets

from .support import SIGMA, velocity_percentiles


def test_the_accuracy_that_the_basis_allows(reference):
    # 64 Gaussians allow 0.01 / 0.06 / 0.09 % (median / 95 / 99 % of laws); a wrong mass or weight shows at once.
    scale = radial_features(SIGMA).scale(reference.params, np)
    solution = solve_least_squares(loss_targets(SIGMA), reference.params, scale)
    median, p95, p99 = velocity_percentiles(solution.coefficients, reference)
    assert median < 2e-4
    assert p95 < 8e-4
    assert p99 < 1.5e-3
    # A larger ridge gives tamer coefficients.
    damped = solve_least_squares(loss_targets(SIGMA), reference.params, scale, ridge=0.03)
    assert np.abs(damped.coefficients / scale).max() < np.abs(solution.coefficients / scale).max()
