"""What tests of expansions share."""

import numpy as np
from nuker_surrogate.expansion.accuracy import worst_errors
from nuker_surrogate.expansion.mge import sigma_grid_pc

SIGMA = sigma_grid_pc()


def velocity_percentiles(coefficients, reference):
    errors = worst_errors(coefficients, SIGMA, reference)
    return np.percentile(errors["circular_velocity", 1.0], (50, 95, 99))
