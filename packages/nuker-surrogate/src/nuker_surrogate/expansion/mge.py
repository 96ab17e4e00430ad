"""The surrogate's multi-Gaussian expansion: 64 fixed widths, and what they add up to.

``Sigma(R) = sum_i Sigma_i exp(-R^2 / 2 sigma_i^2)`` (Cappellari 2002, MNRAS 333, 400). Only what training and
evaluation need: profile, spherical mass, density.
"""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from nuker_surrogate.law.deprojection import EnclosedRule, Float
from nuker_surrogate.law.nuker import Array


def sigma_grid_pc(n: int = 64, smallest_pc: float = 1.0, largest_pc: float = 1e4) -> Float:
    """(n,) widths of the Gaussians [pc], log-uniform; the paper's grid by default."""
    return np.geomspace(smallest_pc, largest_pc, n)


def gaussian_profiles(R_pc: Array, sigma_pc: Array, xp: ModuleType = np) -> Array:
    """(n_R, n) surface density at R of Gaussians with unit central surface density."""
    return xp.exp(-0.5 * (xp.asarray(R_pc)[:, None] / sigma_pc) ** 2)


def gaussian_masses_pc2(R_pc: Array, sigma_pc: Array, xp: ModuleType = np) -> Array:
    """(n_R, n) mass inside the sphere R of spherical Gaussians with unit central surface density [pc^2]."""
    erf = scipy.special.erf if xp is np else jax.scipy.special.erf
    h = xp.asarray(R_pc)[:, None] / (np.sqrt(2) * sigma_pc)
    return 2 * np.pi * sigma_pc**2 * (erf(h) - 2 / np.sqrt(np.pi) * h * xp.exp(-(h**2)))


def mge_surface_density(R_pc: Array, coefficients: Array, sigma_pc: Array) -> Array:
    """Surface density at `R_pc` (n_R,), in the unit of `coefficients` (..., n). Returns (..., n_R)."""
    return coefficients @ gaussian_profiles(jnp.asarray(R_pc), jnp.asarray(sigma_pc), jnp).T


def mge_density(m_pc: Float, coefficients: Float, sigma_pc: Float, projection: float = 1.0) -> Float:
    """Intrinsic density [Msun / pc^3] at semi-major axes m of the deprojected Gaussians.

    Args:
        m_pc: (n_m,) semi-major axes [pc].
        coefficients: (..., n) central surface densities [Msun / pc^2].
        sigma_pc: (n,) widths [pc].
        projection: observed over intrinsic axis ratio, see `deprojection.projection_factor`.

    Returns:
        (..., n_m) array.
    """
    amplitude = projection * coefficients / (np.sqrt(2 * np.pi) * sigma_pc)
    return amplitude @ gaussian_profiles(m_pc, sigma_pc).T


def mge_circular_velocity_squared(
    rule: EnclosedRule, coefficients: Float, sigma_pc: Float, q: float, projection: float = 1.0
) -> Float:
    """(..., n_R) squared circular velocity [(km/s)^2] of the expansion at the radii of `rule`.

    Signed: a bad expansion can have negative density, and evaluation has to see that.
    """
    return rule.circular_velocity_squared(mge_density(rule.m_pc, coefficients, sigma_pc, projection), q)
