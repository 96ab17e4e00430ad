"""Circular velocity of a galaxy: a sum over components of its mass, none of which knows of the others.

A new component is one module: a class with `velocity_squared`, and the function that builds it from a galaxy's
parameters, registered in `MASS` under the kind that the galaxy file names it by.
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
    """What the sum asks of a component."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return its share of v_c^2 [km^2 s^-2] in the plane of the disc, shape of `radius_pc`."""
        ...


MASS: Registry[Callable[[Params, ArrayLike], MassComponent]] = Registry("mass component")
"""Kind -> function of parameters and redshift that builds the component."""


class BlackHole(NamedTuple):
    """A point mass at the centre."""

    mass_msun: ArrayLike

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return black_hole_velocity_squared(self.mass_msun, radius_pc)


@MASS.register("black_hole")
def black_hole(params: Params, redshift: ArrayLike) -> BlackHole:
    """Point mass 10^log10_mbh [Msun]."""
    return BlackHole(10.0 ** jnp.asarray(params["log10_mbh"]))


def black_hole_velocity_squared(mass_msun: ArrayLike, radius_pc: ArrayLike) -> Array:
    """Kepler: v_c^2 = G M / R [km^2 s^-2], shape of `radius_pc`."""
    return G_PC_KMS2_MSUN * jnp.asarray(mass_msun) / jnp.asarray(radius_pc)


def circular_velocity(radius_pc: ArrayLike, components: Iterable[MassComponent]) -> Array:
    """Circular velocity [km/s] in the plane of the disc: v_c^2 = R dPhi/dR is a sum, as the potential is.

    Args:
        radius_pc: radii, shape (...,), positive.
        components: of the mass; none at all give zero.

    Returns:
        v_c, shape (...,); NaN where the sum of v_c^2 is negative, as a bad MGE can make it.

    """
    radius = jnp.asarray(radius_pc, jnp.result_type(radius_pc, 0.0))
    squared = jnp.zeros_like(radius)
    for component in components:
        squared += component.velocity_squared(radius)
    return jnp.sqrt(squared)
