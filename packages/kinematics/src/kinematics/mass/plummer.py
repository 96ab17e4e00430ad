"""Nuclear star cluster: the sphere of Plummer (1911)."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import G_PC_KMS2_MSUN
from kinematics.mass.base import MASS
from kinematics.registry import Params

__all__ = ["PlummerCluster", "plummer_velocity_squared"]

SCALE_PER_HALF_MASS_RADIUS = (2 ** (2 / 3) - 1) ** 0.5
"""Plummer radius a in units of the half-mass radius, from M(r) = M [r^2 / (r^2 + a^2)]^(3/2)."""


class PlummerCluster(NamedTuple):
    """Spherical cluster, rho ~ (1 + r^2 / a^2)^(-5/2)."""

    mass_msun: ArrayLike
    """Total mass [Msun]."""
    half_mass_radius_pc: ArrayLike
    """Radius of the sphere containing half of the mass [pc]."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return plummer_velocity_squared(self.mass_msun, self.half_mass_radius_pc, radius_pc)


@MASS.register("plummer")
def plummer_cluster(params: Params, redshift: ArrayLike) -> PlummerCluster:
    """Build a cluster from log10_cluster_mass [Msun] and cluster_half_mass_radius_pc."""
    return PlummerCluster(10.0 ** jnp.asarray(params["log10_cluster_mass"]), params["cluster_half_mass_radius_pc"])


def plummer_velocity_squared(mass_msun: ArrayLike, half_mass_radius_pc: ArrayLike, radius_pc: ArrayLike) -> Array:
    """Return v_c^2 of a Plummer sphere, G M r^2 / (r^2 + a^2)^(3/2).

    Sources: Plummer (1911); Binney & Tremaine (2008), eq. 2.44a.

    Args:
        mass_msun: total mass [Msun].
        half_mass_radius_pc: radius containing half of the mass [pc], positive; a is 0.766 times it.
        radius_pc: radii [pc], shape (...,); 0 gives 0.

    Returns:
        v_c^2 [km^2 s^-2], shape (...,).

    """
    scale = SCALE_PER_HALF_MASS_RADIUS * jnp.asarray(half_mass_radius_pc)
    square = (jnp.asarray(radius_pc) / scale) ** 2
    return G_PC_KMS2_MSUN * jnp.asarray(mass_msun) / scale * square / (1 + square) ** 1.5
