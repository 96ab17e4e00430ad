"""The best that the Gaussians allow: a regularised least-squares solve per law.

It is the yardstick of every faster route, and the source of the labels that the network is trained on.
"""

from typing import NamedTuple

import numpy as np

from nuker_surrogate.expansion.targets import Targets, batches
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import NukerParams


class FloorSolution(NamedTuple):
    """Coefficients and the metric of their errors.

    Attributes:
        coefficients: (n, n_sigma) central surface densities for Sigma_b = 1.
        mean_normal: (n_sigma, n_sigma) normal matrix in units of the scale, averaged over the laws: an error d
            of the scaled coefficients costs ``d @ mean_normal @ d`` in squared relative errors.
    """

    coefficients: Float
    mean_normal: Float


def solve_floor(targets: Targets, params: NukerParams, scale: Float, ridge: float = 1e-3) -> FloorSolution:
    """Fit profile and enclosed mass of each law, in relative errors.

    Args:
        targets: radii, weights and bases of the fit.
        params: laws, with (n,) leaves.
        scale: (n, n_sigma) expected size of each coefficient; the ridge acts on their ratio.
        ridge: weight of a scaled coefficient against a relative error of one at one radius. Small values fit
            better; large ones give coefficients that are smaller and smoother in the parameters.
    """
    parts, normal = [], np.zeros((scale.shape[1],) * 2)
    for batch, some in batches(params):
        rows = targets.relative_rows(some) * scale[batch, None, :]
        rows_t = rows.transpose(0, 2, 1)
        matrix = rows_t @ rows + ridge**2 * np.eye(scale.shape[1])
        normal += matrix.sum(axis=0)
        parts.append(np.linalg.solve(matrix, (rows_t @ targets.right)[..., None])[..., 0] * scale[batch])
    return FloorSolution(np.concatenate(parts), normal / scale.shape[0])
