"""Linear deconvolution: one matrix from the features of a law to its coefficients, for all laws.

On a logarithmic axis the expansion is a convolution of the coefficients with a fixed kernel, so its inverse is linear
in the profile. Ridge regression (`ridge`) minimises absolute errors, which is inaccurate for profiles that span
fifteen decades. Here the relative errors of profile and enclosed mass are minimised over the whole box of laws. This
is also a linear least-squares problem, with one unknown per entry of the matrix, and is solved directly.
"""

import numpy as np
import scipy.linalg

from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.expansion.targets import Targets, batches
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import NukerParams
from nuker_surrogate.progress import Tick

_DAMPING = 3e-14  # relative to the curvature of each unknown; thirty times more doubles the tail of the errors
_SAFER = 10.0  # increase of the damping where rounding has made the curvature indefinite


def fit_deconvolution(
    targets: Targets, features: RadialFeatures, params: NukerParams, ridge: float, tick: Tick | None = None
) -> Float:
    """Minimise the weighted squared relative errors of profile and enclosed mass, summed over laws.

    Args:
        targets: radii, weights and bases.
        features: radial features to which the matrix applies.
        params: laws, with (n,) leaves; ten thousand or more, so that sharp breaks are well sampled.
        ridge: weight of a coefficient, in units of its scale, relative to a relative error of one at one radius.
            It limits cancellation between coefficients, and so the rounding error in single precision.
        tick: progress callback over the laws.

    Returns:
        (n_features, n_sigma) matrix: coefficients = features @ matrix.
    """
    n, n_sigma = features.n_features, features.sigma_pc.size
    curvature, gradient = np.zeros((n * n, n_sigma * n_sigma)), np.zeros((n, n_sigma))
    for batch, laws in batches(params):
        rows, scale, values = targets.design_matrices(laws), features.scale(laws, np), features.evaluate(laws, np)
        normal = rows.transpose(0, 2, 1) @ rows + ridge**2 * np.eye(n_sigma) / scale[:, :, None] ** 2
        pairs = (values[:, :, None] * values[:, None, :]).reshape(len(values), -1)
        curvature += pairs.T @ normal.reshape(len(values), -1)
        gradient += values.T @ (rows.transpose(0, 2, 1) @ targets.right_hand_side)
        if tick is not None:
            tick(min(batch.stop, np.size(params.alpha)), np.size(params.alpha))
    unknowns = curvature.reshape(n, n, n_sigma, n_sigma).transpose(0, 2, 1, 3).reshape(n * n_sigma, -1)
    return _solve(unknowns, gradient.ravel()).reshape(n, n_sigma)


def deconvolution_cost(targets: Targets, features: RadialFeatures, params: NukerParams, matrix: Float) -> Float:
    """Weighted sum of squared relative errors of each law, (n,)."""
    parts = []
    for _, laws in batches(params):
        c = features.evaluate(laws, np) @ matrix
        parts.append(
            ((np.einsum("nri,ni->nr", targets.design_matrices(laws), c) - targets.right_hand_side) ** 2).sum(axis=1)
        )
    return np.concatenate(parts)


def _solve(curvature: Float, gradient: Float) -> Float:
    """Solve by Cholesky, with the least damping that keeps the matrix positive definite."""
    unit = 1 / np.sqrt(np.diag(curvature))
    scaled = curvature * unit[:, None] * unit
    damping = _DAMPING
    while True:
        scaled[np.diag_indices_from(scaled)] = 1 + damping
        try:
            factor = scipy.linalg.cho_factor(scaled, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            damping *= _SAFER
        else:
            return scipy.linalg.cho_solve(factor, gradient * unit) * unit
