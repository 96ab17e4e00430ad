"""Radial features of a law: its profile and slope at a few radii, and its cusp.

These are the input of the linear deconvolution. Profile and slope together constrain a law between the radii as well
as twice as many profile values would, and the slope needs no further exponential.
"""

from types import ModuleType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import Array, NukerParams, log_slope, surface_density

_EVERY = 3  # Gaussians per radius
_BEYOND = 3  # radii beyond either end of the widths: the law there affects the outermost Gaussians
_CUSP_NODES = 6
_CUSP_DEPTH = 20.0  # in ln R; less than 1e-6 of the mass within the narrowest Gaussian lies deeper


class RadialFeatures(NamedTuple):
    """Fixed radii at which a law is evaluated; all arrays are float64.

    Attributes:
        sigma_pc: (n,) widths of the Gaussians [pc].
        R_pc: (n_R,) radii of profile and slope [pc].
        cusp_radius_pc: (n_c,) radii within the narrowest width [pc].
        cusp_weight: (n_c,) quadrature weights: the weighted profile there sums to the central surface density of a
            Gaussian of the narrowest width that contains all mass within that width.
    """

    sigma_pc: Float
    R_pc: Float
    cusp_radius_pc: Float
    cusp_weight: Float

    @property
    def n_features(self) -> int:
        """Number of features of a law."""
        return self.cusp_radius_pc.size + 2 * self.R_pc.size

    def evaluate(self, params: NukerParams, xp: ModuleType = jnp) -> Array:
        """Features (..., n_features) of laws with (...) leaves, for Sigma_b = 1: cusp, Sigma and -R dSigma/dR."""
        cusp, profile = self._profiles(self.R_pc, params, xp)
        R = xp.asarray(self.R_pc, profile.dtype)
        return xp.concatenate([cusp, profile, profile * log_slope(R, _rows(params, xp), xp=xp)], axis=-1)

    def scale(self, params: NukerParams, xp: ModuleType = jnp) -> Array:
        """Expected size (..., n) of the coefficients: the surface density at the widths, for Sigma_b = 1.

        The narrowest Gaussian represents all mass within its width, which for a steep cusp is up to two hundred
        times more than the surface density at that width suggests.
        """
        cusp, profile = self._profiles(self.sigma_pc[1:], params, xp)
        return xp.concatenate([cusp.sum(axis=-1, keepdims=True), profile], axis=-1)

    def _profiles(self, R_pc: Float, params: NukerParams, xp: ModuleType) -> tuple[Array, Array]:
        """Weighted profile in the cusp (..., n_c) and profile at R (..., n), from one evaluation."""
        rows = _rows(params, xp)
        dtype = xp.result_type(*rows, np.float32)
        profile = surface_density(xp.asarray(np.concatenate([self.cusp_radius_pc, R_pc]), dtype), rows, xp=xp)
        n_c = self.cusp_radius_pc.size
        return profile[..., :n_c] * xp.asarray(self.cusp_weight, dtype), profile[..., n_c:]


def _rows(params: NukerParams, xp: ModuleType) -> NukerParams:
    return NukerParams(*(xp.asarray(leaf)[..., None] for leaf in params))


def radial_features(sigma_pc: Float) -> RadialFeatures:
    """Choose the radii for log-uniform widths [pc], (n,).

    Raises:
        ValueError: the widths are not log-uniform.
    """
    step = np.log(sigma_pc[1] / sigma_pc[0])
    if not np.allclose(np.diff(np.log(sigma_pc)), step, rtol=1e-6):
        raise ValueError("radial_features: sigma_pc must be log-uniform")
    n = int(np.ceil((sigma_pc.size - 1) / _EVERY)) + 1
    R = sigma_pc[0] * np.exp(_EVERY * step * np.arange(-_BEYOND, n + _BEYOND))
    # int Sigma R^2 dlnR inside the first width with ln R = ln sigma_1 - depth v^2: even in v, dense at the outer end.
    v, w = np.polynomial.legendre.leggauss(_CUSP_NODES)
    v, w = (v + 1) / 2, w / 2
    inwards = np.exp(-_CUSP_DEPTH * v**2)
    return RadialFeatures(sigma_pc, R, sigma_pc[0] * inwards, 2 * _CUSP_DEPTH * v * w * inwards**2)
