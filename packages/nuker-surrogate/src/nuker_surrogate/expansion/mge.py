"""Multi-Gaussian expansion of fixed widths: profile, spherical mass, density, circular velocity.

``Sigma(R) = sum_i Sigma_i exp(-R^2 / 2 sigma_i^2)`` (Cappellari 2002, MNRAS 333, 400).
"""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from nuker_surrogate.law.deprojection import EnclosedRule, Float
from nuker_surrogate.law.nuker import Array


def sigma_grid_pc(n: int = 64, smallest_pc: float = 1.0, largest_pc: float = 1e4) -> Float:
    """Log-uniform widths of the Gaussians [pc], (n,); the paper's grid by default."""
    return np.geomspace(smallest_pc, largest_pc, n)


def gaussian_profiles(R_pc: Array, sigma_pc: Array, xp: ModuleType = np) -> Array:
    """Surface density, (n_R, n), at radii [pc] (n_R,) of Gaussians of widths [pc] (n,) and unit central density."""
    return xp.exp(-0.5 * (xp.asarray(R_pc)[:, None] / sigma_pc) ** 2)


def gaussian_masses_pc2(R_pc: Array, sigma_pc: Array, xp: ModuleType = np) -> Array:
    """Mass [pc^2], (n_R, n), inside spheres of radii [pc] (n_R,) for Gaussians of unit central surface density."""
    erf = scipy.special.erf if xp is np else jax.scipy.special.erf
    h = xp.asarray(R_pc)[:, None] / (np.sqrt(2) * sigma_pc)
    return 2 * np.pi * sigma_pc**2 * (erf(h) - 2 / np.sqrt(np.pi) * h * xp.exp(-(h**2)))


def mge_surface_density(R_pc: Array, coefficients: Array, sigma_pc: Array) -> Array:
    """Surface density, (..., n_R), of an expansion, in the unit of its coefficients.

    Args:
        R_pc: (n_R,) projected radii [pc].
        coefficients: (..., n) central surface densities.
        sigma_pc: (n,) widths [pc].
    """
    return coefficients @ gaussian_profiles(jnp.asarray(R_pc), jnp.asarray(sigma_pc), jnp).T


def mge_density(m_pc: Float, coefficients: Float, sigma_pc: Float, projection: float = 1.0) -> Float:
    """Intrinsic density [Msun / pc^3] of the deprojected Gaussians on spheroids of semi-major axis m.

    Args:
        m_pc: (n_m,) semi-major axes [pc].
        coefficients: (..., n) central surface densities [Msun / pc^2].
        sigma_pc: (n,) widths [pc].
        projection: ratio of observed to intrinsic axis ratio, see `deprojection.projection_factor`.

    Returns:
        (..., n_m) array.
    """
    amplitude = projection * coefficients / (np.sqrt(2 * np.pi) * sigma_pc)
    return amplitude @ gaussian_profiles(m_pc, sigma_pc).T


def mge_circular_velocity_squared(
    rule: EnclosedRule, coefficients: Float, sigma_pc: Float, q: float, projection: float = 1.0
) -> Float:
    """Squared circular velocity [(km/s)^2], (..., n_R), of an expansion at the radii of `rule`.

    Negative where a poor expansion has negative mass, so that callers can detect it. Arguments as for `mge_density`;
    q is the intrinsic axis ratio.
    """
    return rule.circular_velocity_squared(mge_density(rule.m_pc, coefficients, sigma_pc, projection), q)
