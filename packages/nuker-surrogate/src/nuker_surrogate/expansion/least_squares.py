"""Regularised least-squares solution per law: the best accuracy that the Gaussians allow.

It is the lower limit for every faster method, and provides the labels on which the network is trained.
"""

from typing import NamedTuple

import numpy as np

from nuker_surrogate.expansion.targets import Targets, batches
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import NukerParams


class LeastSquaresSolution(NamedTuple):
    """Coefficients, and the metric of their errors.

    Attributes:
        coefficients: (n, n_sigma) central surface densities for Sigma_b = 1.
        mean_normal: (n_sigma, n_sigma) normal matrix of the scaled coefficients, averaged over the laws: an error d
            of them adds ``d @ mean_normal @ d`` to the squared relative errors.
    """

    coefficients: Float
    mean_normal: Float


def solve_least_squares(
    targets: Targets, params: NukerParams, scale: Float, ridge: float = 1e-3
) -> LeastSquaresSolution:
    """Fit the profile and enclosed mass of each law in relative errors.

    Args:
        targets: radii, weights and bases of the fit.
        params: laws, with (n,) leaves.
        scale: (n, n_sigma) expected size of each coefficient; the ridge damps coefficients in units of it.
        ridge: weight of a scaled coefficient relative to a relative error of one at one radius. Small values fit
            better; large ones give coefficients that are smaller and vary more smoothly with the parameters.
    """
    parts, normal = [], np.zeros((scale.shape[1],) * 2)
    for batch, laws in batches(params):
        rows = targets.design_matrices(laws) * scale[batch, None, :]
        rows_t = rows.transpose(0, 2, 1)
        matrix = rows_t @ rows + ridge**2 * np.eye(scale.shape[1])
        normal += matrix.sum(axis=0)
        parts.append(np.linalg.solve(matrix, (rows_t @ targets.right_hand_side)[..., None])[..., 0] * scale[batch])
    return LeastSquaresSolution(np.concatenate(parts), normal / scale.shape[0])
