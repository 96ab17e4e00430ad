import numpy as np
from nuker_surrogate.expansion.deconvolution import deconvolution_cost, fit_deconvolution
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.targets import loss_targets
from nuker_surrogate.law.domain import from_box, sample_box

from .support import SIGMA


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
