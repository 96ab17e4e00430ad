"""A trained linear deconvolution: the part of the mapping that is the same for every law.

On a logarithmic axis the expansion is a convolution of the coefficients with a fixed kernel, so its inverse is
linear in the profile wherever the profile is smooth, and it moves with the break. Ridge regression (`ridge`)
looks for that inverse in absolute errors, which a profile spanning fifteen decades does not forgive; here each
coefficient has its own regression, in units of its own size, on least-squares solutions over the whole box.
"""

from typing import NamedTuple

import numpy as np

from nuker_surrogate.deprojection import Float
from nuker_surrogate.law import NukerParams, surface_density
from nuker_surrogate.targets import columns

_BEYOND = 8  # radii beyond either end of the widths: what lies there is folded into the last Gaussians
_CUSP_NODES = 6
_CUSP_DEPTH = 20.0  # in ln R; less than 1e-6 of the mass within the narrowest Gaussian lies deeper


class ProfileSampling(NamedTuple):
    """Radii at which the law is evaluated, and the scale of the coefficients made from these values.

    Attributes:
        R_pc: (n_R,) radii [pc].
        scale_matrix: (n, n_R); times the profile it is the expected size of each coefficient: the law at the
            Gaussian's width, and for the narrowest one the mean over all mass within (a steep cusp holds up to
            two hundred times more than its last Gaussian would).
    """

    R_pc: Float
    scale_matrix: Float

    def profile(self, params: NukerParams) -> Float:
        """(n, n_R) surface density of the laws with (n,) leaves, for Sigma_b = 1."""
        return surface_density(self.R_pc, columns(params), xp=np)


def profile_sampling(sigma_pc: Float) -> ProfileSampling:
    """Sampling for log-uniform widths: the widths themselves, eight radii beyond each end, and the cusp."""
    step = np.log(sigma_pc[1] / sigma_pc[0])
    if not np.allclose(np.diff(np.log(sigma_pc)), step, rtol=1e-6):
        raise ValueError("profile_sampling: sigma_pc must be log-uniform")
    n = sigma_pc.size
    regular = sigma_pc[0] * np.exp(step * np.arange(-_BEYOND, n + _BEYOND))
    # int Sigma R^2 dlnR inwards of the first width, ln R = ln sigma_1 - depth v^2: even in v, dense at the outside.
    v, w = np.polynomial.legendre.leggauss(_CUSP_NODES)
    v, w = (v + 1) / 2, w / 2
    cusp = sigma_pc[0] * np.exp(-_CUSP_DEPTH * v**2)
    scale = np.zeros((n, regular.size + cusp.size))
    scale[np.arange(1, n), np.arange(_BEYOND + 1, _BEYOND + n)] = 1.0
    scale[0, regular.size :] = 2 * _CUSP_DEPTH * v * w * (cusp / sigma_pc[0]) ** 2
    return ProfileSampling(np.concatenate([regular, cusp]), scale)


def fit_deconvolution(profile: Float, scale: Float, coefficients: Float, ridge: float = 1e-4) -> Float:
    """Regress each coefficient, in units of its scale, on the profile.

    Args:
        profile: (n_laws, n_R) profiles.
        scale: (n_laws, n) scale of the coefficients.
        coefficients: (n_laws, n) what to reproduce.
        ridge: damping of the regression; it bounds the cancellation, hence the rounding in single precision.

    Returns:
        (n, n_R) matrix: coefficients = matrix @ profile.
    """
    matrix = np.empty((scale.shape[1], profile.shape[1]))
    for row, unit, wanted in zip(matrix, scale.T, coefficients.T, strict=True):
        features = profile / unit[:, None]
        size = np.sqrt((features**2).mean(axis=0))
        features /= size
        normal = features.T @ features / unit.size + ridge**2 * np.eye(size.size)
        row[:] = np.linalg.solve(normal, features.T @ (wanted / unit) / unit.size) / size
    return matrix
