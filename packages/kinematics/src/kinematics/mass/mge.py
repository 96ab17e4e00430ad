"""Multi-Gaussian expansion (MGE): projection, deprojection and circular velocity of oblate Gaussians."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import G_PC_KMS2_MSUN

__all__ = ["MGE", "ProjectedMge", "axis_ratio_intrinsic", "axis_ratio_observed", "mge_circular_velocity_squared"]

# exp(-EXTENT^2 / 2) is 6e-10: mass beyond this many sigma is negligible.
EXTENT = 6.5
# Accuracy of v_c^2: 1e-6 for q >= 0.1 and 2e-5 at q = 0.05. With 24 nodes it would be 2e-9 and 2e-7, below the
# 4e-7 of single precision.
N_NODES = 16


class MGE(NamedTuple):
    """Oblate coaxial Gaussians in the plane of the disc. All fields broadcast to shape (n,).

    Individual surface densities may be negative as long as the sum of the Gaussians is positive.
    """

    surface_density_msun_pc2: ArrayLike
    """Peak observed surface density of each Gaussian [Msun pc^-2]."""
    sigma_pc: ArrayLike
    """Dispersion along the major axis [pc]."""
    q: ArrayLike
    """Intrinsic axis ratio, in (0, 1]."""


class ProjectedMge(NamedTuple):
    """Stellar MGE with the inclination at which it is observed, which sets the volume density."""

    mge: MGE
    inclination_rad: ArrayLike
    """Inclination [rad], 0 for face-on."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return mge_circular_velocity_squared(self.mge, self.inclination_rad, radius_pc)


def axis_ratio_observed(q: ArrayLike, inclination_rad: ArrayLike) -> Array:
    """Project intrinsic axis ratios: q_obs^2 = q^2 sin^2 i + cos^2 i (Cappellari 2002, eq. 9); any shape."""
    return jnp.sqrt((jnp.asarray(q) * jnp.sin(inclination_rad)) ** 2 + jnp.cos(inclination_rad) ** 2)


def axis_ratio_intrinsic(q_obs: ArrayLike, inclination_rad: ArrayLike) -> Array:
    """Deproject observed axis ratios, any shape; NaN where q_obs < cos i, impossible for an oblate body."""
    squared = jnp.asarray(q_obs) ** 2 - jnp.cos(inclination_rad) ** 2
    return jnp.sqrt(squared) / jnp.sin(inclination_rad)


def mge_circular_velocity_squared(mge: MGE, inclination_rad: ArrayLike, radius_pc: ArrayLike) -> Array:
    """Return v_c^2 of an MGE in the equatorial plane (Cappellari 2002, after eq. 17; Noordermeer 2008, eq. 10).

    Each Gaussian has central density rho = Sigma q_obs / (q sigma sqrt(2 pi)) and gives
    v_c^2(R) = 4 pi G q rho R^2 int_0^1 exp(-R^2 t^2 / 2 sigma^2) t^2 / sqrt(1 - (1 - q^2) t^2) dt.

    Args:
        mge: Gaussians, each field of shape (n,).
        inclination_rad: inclination [rad], 0 for face-on.
        radius_pc: radii [pc], shape (...,), positive.

    Returns:
        v_c^2 [km^2 s^-2], shape (...,).

    """
    radius = jnp.asarray(radius_pc, jnp.result_type(radius_pc, 0.0))
    dtype = radius.dtype
    surface_density, sigma, q = (jnp.asarray(a, dtype) for a in mge)
    density = surface_density * axis_ratio_observed(q, inclination_rad) / (q * sigma * math.sqrt(2 * math.pi))

    ratio = radius[..., None] / sigma
    inside = _inside(ratio, jnp.broadcast_to(1 - q**2, ratio.shape)) * ratio**2
    return 4 * math.pi * G_PC_KMS2_MSUN * jnp.sum(q * density * sigma**2 * inside, axis=-1)


@jax.custom_jvp
def _inside(ratio: Array, eccentricity_squared: Array) -> Array:
    """Integral over t for each R / sigma."""
    return _integrals(ratio, eccentricity_squared)[0]


@_inside.defjvp
def _inside_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # Differentiating under the integral gives value and derivatives in one pass and stores nothing per node.
    value, by_ratio, by_eccentricity = _integrals(*primals)
    return value, by_ratio * tangents[0] + by_eccentricity * tangents[1]


def _integrals(ratio: Array, eccentricity_squared: Array) -> tuple[Array, Array, Array]:
    """Integral over t and its derivatives with respect to R / sigma and 1 - q^2, all of the shape of `ratio`."""
    upper = jnp.minimum(1.0, EXTENT / ratio)
    # t = upper s (2 - s) concentrates the nodes near t = 1, where the integrand of a flat body steepens like 1/q.
    s, weight = _unit_gauss_legendre(N_NODES)
    # The node axis comes first so that sums run over contiguous rows of radii and Gaussians.
    at = (slice(None), *(None,) * ratio.ndim)
    t_squared = (upper * jnp.asarray(s * (2 - s), ratio.dtype)[at]) ** 2
    slant = jax.lax.rsqrt(1 - eccentricity_squared * t_squared)
    weighted = jnp.asarray(weight * 2 * (1 - s), ratio.dtype)[at] * t_squared * slant
    integrand = weighted * jnp.exp(-0.5 * ratio**2 * t_squared)
    value, by_ratio, by_eccentricity = (
        upper * jnp.sum(integrand * factor, axis=0) for factor in (1.0, t_squared, t_squared * slant**2)
    )
    return value, -ratio * by_ratio, 0.5 * by_eccentricity


def _unit_gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1], each of shape (n,)."""
    x, w = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, w / 2
