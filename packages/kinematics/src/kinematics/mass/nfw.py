"""Dark-matter halo of Navarro, Frenk & White (1997)."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import G_PC_KMS2_MSUN
from kinematics.mass.base import MASS
from kinematics.registry import Params

__all__ = ["H0_KMS_MPC", "OMEGA_M", "NfwHalo", "hubble_kms_mpc", "nfw_velocity_squared", "virial_radius_pc"]

H0_KMS_MPC = 70.0
"""Hubble constant [km/s/Mpc]; the critical density 3 H^2 / 8 pi G is 1.36e-7 Msun pc^-3 at redshift 0."""
OMEGA_M = 0.3
"""Matter density parameter of the flat universe in which the critical density evolves."""
OVERDENSITY = 200.0
# Radius, in scale radii, below which ln(1 + y) - y / (1 + y) suffers cancellation and its series is used.
SERIES_BELOW = 0.25
N_TERMS = 22


class NfwHalo(NamedTuple):
    """A spherical halo, rho ~ 1 / [y (1 + y)^2], y = r / r_s."""

    m200_msun: ArrayLike
    """Mass within r_200 [Msun], the sphere of 200 times the critical density."""
    c200: ArrayLike
    """Concentration r_200 / r_s."""
    redshift: ArrayLike = 0.0
    """Redshift at which the critical density is evaluated."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return nfw_velocity_squared(self.m200_msun, self.c200, radius_pc, self.redshift)


@MASS.register("nfw")
def nfw_halo(params: Params, redshift: ArrayLike) -> NfwHalo:
    """Build a halo from log10_m200 [Msun] and log10_c200 at a redshift."""
    mass, concentration = (10.0 ** jnp.asarray(params[name]) for name in ("log10_m200", "log10_c200"))
    return NfwHalo(mass, concentration, redshift)


def hubble_kms_mpc(redshift: ArrayLike) -> Array:
    """Return H(z) = H0 sqrt(Omega_m (1 + z)^3 + 1 - Omega_m) [km/s/Mpc] of a flat universe; any shape."""
    return H0_KMS_MPC * jnp.sqrt(OMEGA_M * (1 + jnp.asarray(redshift)) ** 3 + 1 - OMEGA_M)


def virial_radius_pc(m200_msun: ArrayLike, redshift: ArrayLike = 0.0) -> Array:
    """Return r_200 [pc], r_200^3 = 2 G M_200 / (200 H(z)^2), for M_200 [Msun]; broadcast shape."""
    hubble_kms_pc = hubble_kms_mpc(redshift) * 1e-6
    return jnp.cbrt(2 * G_PC_KMS2_MSUN / (OVERDENSITY * hubble_kms_pc**2) * jnp.asarray(m200_msun))


def nfw_velocity_squared(
    m200_msun: ArrayLike, c200: ArrayLike, radius_pc: ArrayLike, redshift: ArrayLike = 0.0
) -> Array:
    """Return v_c^2 of an NFW halo, (G M_200 / r) m(y) / m(c), m(y) = ln(1+y) - y / (1+y), y = r / r_s.

    Source: Navarro, Frenk & White (1997).

    Args:
        m200_msun: mass within r_200 [Msun].
        c200: concentration r_200 / r_s, positive.
        radius_pc: radii [pc], shape (...,); 0 gives 0.
        redshift: redshift at which the critical density is evaluated.

    Returns:
        v_c^2 [km^2 s^-2], shape (...,).

    """
    mass, c = jnp.asarray(m200_msun), jnp.asarray(c200)
    scale_pc = virial_radius_pc(mass, redshift) / c
    enclosed = _mass_over_radius(jnp.asarray(radius_pc) / scale_pc) / (c * _mass_over_radius(c))
    return G_PC_KMS2_MSUN * mass / scale_pc * enclosed


def _mass_over_radius(y: Array) -> Array:
    """Return m(y) / y = ln(1+y) / y - 1 / (1+y), y >= 0, to a few units in the last place.

    Well within the scale radius the two terms nearly cancel, leaving y / 2. With z = y / (1 + y),
    m = -ln(1 - z) - z, whose series z^2 / 2 + z^3 / 3 + ... has only positive terms.
    """
    near = jnp.minimum(y, SERIES_BELOW)
    z = near / (1 + near)
    series = jnp.zeros_like(z)
    for k in range(N_TERMS + 1, 1, -1):
        series = series * z + 1 / k
    far = jnp.maximum(y, SERIES_BELOW)
    return jnp.where(y < SERIES_BELOW, series * z / (1 + near), jnp.log1p(far) / far - 1 / (1 + far))
