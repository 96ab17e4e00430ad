"""Exact deprojection of the Nuker law: the reference for the accuracy of every approximation.

Oblate spheroids of constant intrinsic axis ratio q (Noordermeer 2008, MNRAS 385, 1359, eqs. 7 and 10)::

    rho(m)   = -(1/pi) sqrt(sin^2 i + cos^2 i / q^2)  int_m^inf  Sigma'(k) / sqrt(k^2 - m^2)  dk
    v_c^2(R) = 4 pi G q  int_0^R  rho(m) m^2 / sqrt(R^2 - (1 - q^2) m^2)  dm

Float64 NumPy throughout, whatever JAX's precision setting is. Both integrands are positive, so quadrature
errors are relative errors: 1e-9 or better for alpha up to 10, at any radius.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from astropy import constants, units
from numpy.typing import ArrayLike, NDArray

from nuker_surrogate.law.nuker import NukerParams, surface_density_gradient

Float = NDArray[np.float64]

G_PC_KMS2_MSUN = float(constants.G.to_value(units.pc * (units.km / units.s) ** 2 / units.Msun))
"""Gravitational constant [pc (km/s)^2 / Msun]."""

_ABEL_TAIL = 30.0  # the Abel integrand falls at least as exp(-t), to 1e-13 at t = 30
_FINE_WIDTH = 0.3  # in ln m; the break of alpha = 10 has its singularity at 0.31 from the real axis
_FINE_NODES = 10
_COARSE_WIDTH = 4.0  # in ln m, deep inside the break, where the density is a power law
_COARSE_NODES = 14
_COARSE_DEPTH = 44.0  # the mass falls at least as m^0.8 inwards, to 1e-15 at this depth


class EnclosedRule(NamedTuple):
    """Quadrature for integrals over spheroidal shells inside a set of radii, independent of the profile.

    Attributes:
        R_pc: (n_R,) radii at which the integrals end [pc], ascending.
        m_pc: (n_m,) nodes [pc], shared by all radii.
        weight_pc: (n_R, n_m) weights [pc]; zero at nodes outside the radius.
    """

    R_pc: Float
    m_pc: Float
    weight_pc: Float

    def circular_velocity_squared(self, rho: Float, q: float) -> Float:
        """Squared circular velocity [(km/s)^2] at the rule's radii in the equatorial plane.

        Args:
            rho: (..., n_m) density [Msun / pc^3] at `m_pc`.
            q: intrinsic axis ratio, in (0, 1]; 1 is the sphere.

        Returns:
            (..., n_R) array.
        """
        R2, m2 = self.R_pc[:, None] ** 2, self.m_pc**2
        root = np.sqrt(np.where(self.weight_pc > 0, R2 - (1 - q**2) * m2, 1.0))
        return 4 * np.pi * G_PC_KMS2_MSUN * q * (rho @ (self.weight_pc * m2 / root).T)

    def enclosed_mass(self, rho: Float, q: float = 1.0) -> Float:
        """Mass [Msun] inside the spheroids of semi-major axis `R_pc`, (..., n_R).

        Arguments as for `circular_velocity_squared`.
        """
        return 4 * np.pi * q * (rho @ (self.weight_pc * self.m_pc**2).T)


def enclosed_rule(R_pc: ArrayLike, r_inner_pc: float) -> EnclosedRule:
    """Composite Gauss-Legendre rule in ln m with a panel edge at every radius.

    Args:
        R_pc: (n_R,) distinct radii [pc], ascending, > 0.
        r_inner_pc: smallest break radius [pc] that the rule has to resolve.

    Raises:
        ValueError: the radii are not positive and strictly ascending.
    """
    R = np.atleast_1d(np.asarray(R_pc, dtype=np.float64))
    if R.ndim != 1 or not np.all(np.isfinite(R)) or R[0] <= 0 or np.any(np.diff(R) <= 0):
        raise ValueError("enclosed_rule: R_pc must be a one-dimensional array of ascending radii above 0 pc")
    log_R = np.log(R)
    log_fine = min(log_R[0], np.log(r_inner_pc)) - 4.0  # (e^-4)^10: the break is negligible further in
    coarse = np.arange(log_fine - _COARSE_DEPTH, log_fine - 1e-9, _COARSE_WIDTH)
    stops = np.concatenate([[log_fine], log_R])
    fine = [np.linspace(a, b, int(np.ceil((b - a) / _FINE_WIDTH)) + 1)[:-1] for a, b in pairwise(stops)]
    u_coarse, w_coarse = _panels(np.append(coarse, log_fine), _COARSE_NODES)
    u_fine, w_fine = _panels(np.append(np.concatenate(fine), log_R[-1]), _FINE_NODES)
    u = np.concatenate([u_coarse, u_fine])
    m = np.exp(u)
    weight = np.concatenate([w_coarse, w_fine]) * m
    return EnclosedRule(R, m, np.where(u < log_R[:, None], weight, 0.0))


def _panels(edges: Float, n: int) -> tuple[Float, Float]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def density(m_pc: ArrayLike, params: NukerParams, projection: float = 1.0, sigma_b: float = 1.0) -> Float:
    """Intrinsic density [Msun / pc^3] of one Nuker law on the spheroids of semi-major axis m.

    Args:
        m_pc: (n,) semi-major axes [pc], > 0.
        params: shape of the law (scalar leaves).
        projection: ``sqrt(sin^2 i + cos^2 i / q^2)``, see `projection_factor`; 1 for a sphere.
        sigma_b: surface density at the break [Msun / pc^2].

    Returns:
        (n,) array.
    """
    shape = NukerParams(*(float(leaf) for leaf in params))

    def gradient(k: Float) -> Float:
        return surface_density_gradient(k, shape, xp=np)

    # The break's singularity lies at Im ln k = pi / alpha.
    return projection * sigma_b * abel_inversion(m_pc, gradient, min(0.3, 0.65 / shape.alpha))


def abel_inversion(m_pc: ArrayLike, gradient: Callable[[Float], Float], step: float) -> Float:
    """Density [Msun / pc^3] of the sphere whose surface density has this derivative.

    With k = m cosh t the integrand is even and analytic in a strip, so that the trapezoidal rule converges
    exponentially.

    Args:
        m_pc: (n,) radii [pc], > 0.
        gradient: dSigma/dk [Msun / pc^3] at k [pc], any shape; it has to fall faster than 1/k.
        step: step of the trapezoidal rule in t, well below the distance of the integrand's singularities from the
            real axis.

    Returns:
        (n,) array.
    """
    m = np.asarray(m_pc, dtype=np.float64)
    t = np.arange(0.0, _ABEL_TAIL, step)
    weight = np.full(t.size, step)
    weight[0] /= 2
    return -(gradient(m[..., None] * np.cosh(t)) @ weight) / np.pi


def projection_factor(q: float, inclination: float) -> float:
    """Ratio ``sqrt(sin^2 i + cos^2 i / q^2)`` of observed to intrinsic axis ratio.

    Args:
        q: intrinsic axis ratio, in (0, 1].
        inclination: inclination [rad], 0 is face-on.

    Raises:
        ValueError: q is out of range.
    """
    if not 0 < q <= 1:
        raise ValueError(f"axis ratio q = {q} is outside (0, 1]: the deprojection is oblate")
    return float(np.sqrt(np.sin(inclination) ** 2 + (np.cos(inclination) / q) ** 2))


def exact_circular_velocity(
    R_pc: ArrayLike, params: NukerParams, q: float, inclination: float, sigma_b: float = 1.0
) -> Float:
    """Circular velocity [km/s] of the oblate spheroid that projects to the Nuker law.

    Args:
        R_pc: radii in the equatorial plane [pc], > 0; any shape and order.
        params: shape of the law along the projected major axis (scalar leaves).
        q: intrinsic axis ratio, in (0, 1].
        inclination: inclination [rad], 0 is face-on.
        sigma_b: surface density at the break [Msun / pc^2].

    Returns:
        Array of the shape of `R_pc`, float64, relative accuracy 1e-9.

    Raises:
        ValueError: q or a radius is out of range.
    """
    R = np.asarray(R_pc, dtype=np.float64)
    if R.size == 0 or not np.all(R > 0):
        raise ValueError("exact_circular_velocity: R_pc must contain radii above 0 pc only")
    radii, index = np.unique(R, return_inverse=True)
    rule = enclosed_rule(radii, float(params.r_b_pc))
    rho = density(rule.m_pc, params, projection_factor(q, inclination), sigma_b)
    return np.sqrt(rule.circular_velocity_squared(rho, q))[index].reshape(R.shape)
