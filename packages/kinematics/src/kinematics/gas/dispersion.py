"""Velocity dispersion of the gas as a function of radius.

A new law is a class with `dispersion_kms` and the function that builds it from a galaxy's parameters, registered in
`DISPERSIONS` under the word that chooses it in a galaxy file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from kinematics.registry import Params, Registry

__all__ = ["DISPERSIONS", "Dispersion", "ExponentialDispersion", "dispersion_at"]


@runtime_checkable
class Dispersion(Protocol):
    """What the renderer asks of a dispersion that is not one number."""

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return the line-of-sight dispersion [km/s], shape of `radius_arcsec`."""
        ...


DISPERSIONS: Registry[Callable[[Params], ArrayLike | Dispersion]] = Registry("dispersion law")
"""Kind -> function of parameters that builds the law, or returns the one number that holds at all radii."""


@DISPERSIONS.register("constant")
def constant(params: Params) -> ArrayLike:
    """Dispersion sigma_gas_kms at all radii."""
    return params["sigma_gas_kms"]


class ExponentialDispersion(NamedTuple):
    """sigma(R) = sigma_inf + (sigma_0 - sigma_inf) exp(-R / R_s): from the centre's to that of the outer disc."""

    centre_kms: ArrayLike
    outer_kms: ArrayLike
    scale_arcsec: ArrayLike

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return sigma(R), shape of `radius_arcsec`."""
        outer = jnp.asarray(self.outer_kms)
        return outer + (jnp.asarray(self.centre_kms) - outer) * jnp.exp(-radius_arcsec / self.scale_arcsec)


@DISPERSIONS.register("exponential")
def exponential(params: Params) -> ExponentialDispersion:
    """Law from sigma_gas_kms at the centre to sigma_gas_outer_kms over sigma_gas_scale_arcsec."""
    return ExponentialDispersion(*(params[f"sigma_gas_{name}"] for name in ("kms", "outer_kms", "scale_arcsec")))


def dispersion_at(sigma_kms: ArrayLike | Dispersion, radius_arcsec: Array) -> Array:
    """Return the dispersion [km/s] at some radii: a law's, or the one number that holds everywhere."""
    if isinstance(sigma_kms, Dispersion):
        return sigma_kms.dispersion_kms(radius_arcsec)
    return jnp.asarray(sigma_kms)
