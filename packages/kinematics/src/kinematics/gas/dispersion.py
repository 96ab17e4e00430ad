"""Velocity dispersion of the gas as a function of radius.

A new law is a class with `dispersion_kms` and a function that builds it from the galaxy's parameters and is
registered in `DISPERSIONS` under the keyword used in the galaxy file.
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
    """Interface of a dispersion law that varies with radius."""

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return the line-of-sight dispersion [km/s], shape of `radius_arcsec`."""
        ...


DISPERSIONS: Registry[Callable[[Params], ArrayLike | Dispersion]] = Registry("dispersion law")
"""Builders of dispersion laws by kind; each takes the parameters and returns a law, or one number for all radii."""


@DISPERSIONS.register("constant")
def constant(params: Params) -> ArrayLike:
    """Return sigma_gas_kms, the same at all radii."""
    return params["sigma_gas_kms"]


class ExponentialDispersion(NamedTuple):
    """Exponential decline from centre to outer disc: sigma(R) = sigma_inf + (sigma_0 - sigma_inf) exp(-R / R_s)."""

    centre_kms: ArrayLike
    """Central dispersion sigma_0 [km/s]."""
    outer_kms: ArrayLike
    """Outer dispersion sigma_inf [km/s]."""
    scale_arcsec: ArrayLike
    """Scale length R_s [arcsec]."""

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return sigma(R) [km/s], shape of `radius_arcsec`."""
        outer = jnp.asarray(self.outer_kms)
        return outer + (jnp.asarray(self.centre_kms) - outer) * jnp.exp(-radius_arcsec / self.scale_arcsec)


@DISPERSIONS.register("exponential")
def exponential(params: Params) -> ExponentialDispersion:
    """Build the law from sigma_gas_kms (centre), sigma_gas_outer_kms and sigma_gas_scale_arcsec."""
    return ExponentialDispersion(*(params[f"sigma_gas_{name}"] for name in ("kms", "outer_kms", "scale_arcsec")))


def dispersion_at(sigma_kms: ArrayLike | Dispersion, radius_arcsec: Array) -> Array:
    """Evaluate a law [km/s], shape of `radius_arcsec`; a single number is returned as a scalar array."""
    if isinstance(sigma_kms, Dispersion):
        return sigma_kms.dispersion_kms(radius_arcsec)
    return jnp.asarray(sigma_kms)
