"""The best that the Gaussians allow: a regularised least-squares solve per law.

It is the yardstick of every faster route, and the source of the labels that the network is trained on.
"""

from typing import NamedTuple

import numpy as np

from nuker_surrogate.deprojection import Float
from nuker_surrogate.law import NukerParams
from nuker_surrogate.targets import Targets

_BATCH = 1000  # laws at a time: 100 MB of normal equations


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
    right = np.concatenate([targets.profile_weight, targets.mass_weight])
    for start in range(0, scale.shape[0], _BATCH):
        batch = slice(start, start + _BATCH)
        some = NukerParams(*(np.asarray(leaf)[batch] for leaf in params))
        profile, mass = targets.profile(some), targets.mass_pc2(some)
        rows = np.concatenate(
            [
                targets.profile_basis * (targets.profile_weight / profile)[:, :, None],
                targets.mass_basis_pc2 * (targets.mass_weight / mass)[:, :, None],
            ],
            axis=1,
        )
        rows *= scale[batch, None, :]
        rows_t = rows.transpose(0, 2, 1)
        matrix = rows_t @ rows + ridge**2 * np.eye(scale.shape[1])
        normal += matrix.sum(axis=0)
        parts.append(np.linalg.solve(matrix, (rows_t @ right)[..., None])[..., 0] * scale[batch])
    return FloorSolution(np.concatenate(parts), normal / scale.shape[0])
