"""The linear deconvolution: one matrix from a law's features to its coefficients, for all laws.

On a logarithmic axis the expansion is a convolution of the coefficients with a fixed kernel, so its inverse is linear
in the profile. Ridge regression (`ridge`) looks for that inverse in absolute errors, which a profile spanning fifteen
decades does not forgive. Here the errors are relative, each law's profile and enclosed mass against the exact ones,
over the whole box of laws. That too is a linear least-squares problem, with one unknown per entry of the matrix, and
so it is solved, not descended on.
"""

import numpy as np
import scipy.linalg

from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.expansion.targets import Targets, Tick, batches
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import NukerParams

_DAMPING = 3e-14  # relative to each unknown's own curvature; thirty times more, and the tail of the errors doubles
_SAFER = 10.0  # factor on it where rounding has made the curvature indefinite


def fit_deconvolution(
    targets: Targets, features: RadialFeatures, params: NukerParams, ridge: float, tick: Tick | None = None
) -> Float:
    """Minimise the weighted squared relative errors of profile and enclosed mass, summed over laws.

    Args:
        targets: radii, weights and bases.
        features: what the matrix is applied to.
        params: laws, with (n,) leaves; ten thousand or more, lest sharp breaks between them be missed.
        ridge: weight of a coefficient, in units of its scale, against a relative error of one at one radius. It
            bounds the cancellation between coefficients, hence the rounding in single precision.
        tick: progress callback over the laws.

    Returns:
        (n_features, n_sigma) matrix: coefficients = features @ matrix.
    """
    n, n_sigma = features.n_features, features.sigma_pc.size
    curvature, gradient = np.zeros((n * n, n_sigma * n_sigma)), np.zeros((n, n_sigma))
    for batch, some in batches(params):
        rows, scale, seen = targets.relative_rows(some), features.scale(some, np), features.of(some, np)
        normal = rows.transpose(0, 2, 1) @ rows + ridge**2 * np.eye(n_sigma) / scale[:, :, None] ** 2
        pairs = (seen[:, :, None] * seen[:, None, :]).reshape(len(seen), -1)
        curvature += pairs.T @ normal.reshape(len(seen), -1)
        gradient += seen.T @ (rows.transpose(0, 2, 1) @ targets.right)
        if tick is not None:
            tick(min(batch.stop, np.size(params.alpha)), np.size(params.alpha))
    unknowns = curvature.reshape(n, n, n_sigma, n_sigma).transpose(0, 2, 1, 3).reshape(n * n_sigma, -1)
    return _solve(unknowns, gradient.ravel()).reshape(n, n_sigma)


def deconvolution_cost(targets: Targets, features: RadialFeatures, params: NukerParams, matrix: Float) -> Float:
    """(n,) weighted sum of squared relative errors of each law."""
    parts = []
    for _, some in batches(params):
        c = features.of(some, np) @ matrix
        parts.append(((np.einsum("nri,ni->nr", targets.relative_rows(some), c) - targets.right) ** 2).sum(axis=1))
    return np.concatenate(parts)


def _solve(curvature: Float, gradient: Float) -> Float:
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
