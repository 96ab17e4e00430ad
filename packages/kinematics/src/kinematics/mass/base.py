"""Circular velocity of a galaxy: v_c^2 summed over independent mass components.

A new component is one module: a class with `velocity_squared`, and a function that builds it from the galaxy's
parameters and is registered in `MASS` under the kind used in the galaxy file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import G_PC_KMS2_MSUN
from kinematics.registry import Params, Registry

__all__ = ["MASS", "BlackHole", "MassComponent", "black_hole_velocity_squared", "circular_velocity"]


class MassComponent(Protocol):
    """Interface of a mass component."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return the component's term in v_c^2 [km^2 s^-2] in the disc plane, shape of `radius_pc`."""
        ...


MASS: Registry[Callable[[Params, ArrayLike], MassComponent]] = Registry("mass component")
"""Builders of mass components by kind; each takes the parameters and the redshift."""


class BlackHole(NamedTuple):
    """A point mass at the centre."""

    mass_msun: ArrayLike
    """Mass [Msun]."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return black_hole_velocity_squared(self.mass_msun, radius_pc)


@MASS.register("black_hole")
def black_hole(params: Params, redshift: ArrayLike) -> BlackHole:
    """Build the point mass of 10^log10_mbh [Msun]."""
    return BlackHole(10.0 ** jnp.asarray(params["log10_mbh"]))


def black_hole_velocity_squared(mass_msun: ArrayLike, radius_pc: ArrayLike) -> Array:
    """Return v_c^2 = G M / R [km^2 s^-2] of a point mass [Msun] at radii [pc], shape of `radius_pc`."""
    return G_PC_KMS2_MSUN * jnp.asarray(mass_msun) / jnp.asarray(radius_pc)


def circular_velocity(radius_pc: ArrayLike, components: Iterable[MassComponent]) -> Array:
    """Compute the circular velocity [km/s] in the disc plane; v_c^2 = R dPhi/dR adds up like the potential.

    Args:
        radius_pc: radii [pc], shape (...,), positive.
        components: mass components; with none the velocity is zero.

    Returns:
        v_c [km/s], shape (...,); NaN where the sum of v_c^2 is negative, as an unphysical MGE can make it.

    """
    radius = jnp.asarray(radius_pc, jnp.result_type(radius_pc, 0.0))
    squared = jnp.zeros_like(radius)
    for component in components:
        squared += component.velocity_squared(radius)
    return jnp.sqrt(squared)
