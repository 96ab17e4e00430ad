"""Options of a model: settings that select code rather than numbers."""

from __future__ import annotations

from typing import NamedTuple

from kinematics import SpectralResponse
from nuker_surrogate import Surrogate
from steelyard_schemas import Galaxy
from steelyard_schemas.ingredients import NukerStars

from steelyard.galaxy.stars import check_domain, shared_surrogate

__all__ = ["ModelOptions"]


class ModelOptions(NamedTuple):
    """Settings that select code: galaxies with equal options and data shapes share compiled code."""

    profile: str
    """Kind of the surface-brightness profile."""
    dispersion: str
    """Kind of the dispersion law."""
    mass: tuple[str, ...]
    """Kinds of the mass components besides stars and black hole."""
    spectral_response: SpectralResponse
    """Spectral response of the channels."""
    likelihood: str
    """Kind of the likelihood."""
    surrogate: Surrogate | None
    """Surrogate of the stellar law; None for an observed MGE."""

    @classmethod
    def of(cls, galaxy: Galaxy) -> ModelOptions:
        """Read the options from a galaxy file.

        Raises:
            ContractError: the surrogate does not exist, or priors exceed its domain.

        """
        surrogate = None
        if isinstance(galaxy.stars, NukerStars):
            surrogate = shared_surrogate(galaxy.stars.surrogate)
            check_domain(galaxy, surrogate)
        return cls(
            galaxy.disc.profile,
            galaxy.disc.dispersion,
            tuple(component.kind for component in galaxy.mass),
            galaxy.data.spectral_response,
            galaxy.likelihood.kind,
            surrogate,
        )
