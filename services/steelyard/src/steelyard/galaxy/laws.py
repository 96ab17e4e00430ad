"""Laws of a galaxy file: stars, gas and absorber as functions of the parameters, on any grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax.numpy as jnp
from jax.typing import ArrayLike
from kinematics import DISPERSIONS, MGE, PROFILES, Absorber, Disc, Dispersion, LogProcess, Warp
from kinematics.gas.profiles import Table
from kinematics.registry import Params
from nuker_surrogate import Surrogate

from steelyard.galaxy.options import ModelOptions
from steelyard.galaxy.stars import OpticalStars, departed, nuker_mge, optical_mge

__all__ = ["GalaxyLaws"]


@dataclass(frozen=True, eq=False)
class GalaxyLaws:
    """Options and tables of a galaxy file, and the laws that they select."""

    options: ModelOptions = field(metadata={"static": True})
    """Settings that select code."""
    stars: OpticalStars | None
    """Observed MGE; None for a stellar law."""
    departure: LogProcess | None
    """Process by which the stars depart from their law; None for stars that follow it exactly."""
    disc_table: Table | None
    """Radii [arcsec] and brightness of a tabulated disc; None for other profiles."""
    warp_radii_arcsec: tuple[ArrayLike, ArrayLike] | None
    """Reference and outer radius of the warp; None for a flat disc."""
    continuum_jy: ArrayLike | None
    """Continuum behind the absorber [Jy]; None without an absorber."""

    @property
    def surrogate(self) -> Surrogate | None:
        """Surrogate of the stellar law; None for an observed MGE."""
        return self.options.surrogate

    def mge(self, params: Params) -> MGE:
        """Return the MGE of the stars."""
        if self.stars is not None:
            law = optical_mge(self.stars, params)
        else:
            assert self.surrogate is not None
            law = nuker_mge(self.surrogate, params)
        return law if self.departure is None else departed(law, self.departure, params)

    def disc(self, params: Params) -> Disc:
        """Return the surface-brightness profile of the gas."""
        return PROFILES[self.options.profile](params, self.disc_table)

    def dispersion(self, params: Params) -> ArrayLike | Dispersion:
        """Return the velocity dispersion of the gas [km/s], a number or a law of radius."""
        return DISPERSIONS[self.options.dispersion](params)

    def warp(self, params: Params) -> Warp | None:
        """Return the warp of the disc, None for a flat disc."""
        if self.warp_radii_arcsec is None:
            return None
        pa, inclination = (jnp.radians(params[f"{name}_gradient_deg_per_arcsec"]) for name in ("pa", "inclination"))
        return Warp(pa, inclination, *self.warp_radii_arcsec)

    def absorber(self, params: Params) -> Absorber | None:
        """Return the gas in front of the continuum, None without an absorber."""
        if self.continuum_jy is None:
            return None
        tau, velocity, sigma = (params[f"absorber_{name}"] for name in ("tau", "velocity_kms", "sigma_kms"))
        return Absorber(self.continuum_jy, tau, velocity, sigma)
