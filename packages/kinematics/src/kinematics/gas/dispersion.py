"""Velocity dispersion of the gas as a function of radius. A new law is one class with `dispersion_kms`."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["Dispersion", "ExponentialDispersion", "dispersion_at"]


@runtime_checkable
class Dispersion(Protocol):
    """What the renderer asks of a dispersion that is not one number."""

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return the line-of-sight dispersion [km/s], shape of `radius_arcsec`."""
        ...


class ExponentialDispersion(NamedTuple):
    """sigma(R) = sigma_inf + (sigma_0 - sigma_inf) exp(-R / R_s): from the centre's to that of the outer disc."""

    centre_kms: ArrayLike
    outer_kms: ArrayLike
    scale_arcsec: ArrayLike

    def dispersion_kms(self, radius_arcsec: Array) -> Array:
        """Return sigma(R), shape of `radius_arcsec`."""
        outer = jnp.asarray(self.outer_kms)
        return outer + (jnp.asarray(self.centre_kms) - outer) * jnp.exp(-radius_arcsec / self.scale_arcsec)


def dispersion_at(sigma_kms: ArrayLike | Dispersion, radius_arcsec: Array) -> Array:
    """Return the dispersion [km/s] at some radii: a law's, or the one number that holds everywhere."""
    if isinstance(sigma_kms, Dispersion):
        return sigma_kms.dispersion_kms(radius_arcsec)
    return jnp.asarray(sigma_kms)
