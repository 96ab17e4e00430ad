"""Options of a model: what chooses code, as against numbers."""

from __future__ import annotations

from typing import NamedTuple

from kinematics import SpectralResponse
from nuker_surrogate import Surrogate
from steelyard_schemas import Galaxy
from steelyard_schemas.ingredients import NukerStars

from steelyard.galaxy.stars import check_domain, shared_surrogate

__all__ = ["ModelOptions"]


class ModelOptions(NamedTuple):
    """What chooses code: galaxies that agree in these, and in the shapes of their data, share what is compiled."""

    profile: str
    dispersion: str
    mass: tuple[str, ...]
    """Kinds of the components beside stars and black hole."""
    spectral_response: SpectralResponse
    likelihood: str
    surrogate: Surrogate | None
    """Of the stars; None for an observed multi-Gaussian expansion."""

    @classmethod
    def of(cls, galaxy: Galaxy) -> ModelOptions:
        """Read them off a galaxy file.

        Raises:
            ContractError: no such surrogate, or priors outside of its domain.

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
