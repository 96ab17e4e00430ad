"""Neural deprojection of the Nuker law into a multi-Gaussian expansion."""

from nuker_surrogate.artifacts.open import load_surrogate
from nuker_surrogate.expansion.ridge import ridge_projector
from nuker_surrogate.expansion.surrogate import Surrogate
from nuker_surrogate.law.deprojection import exact_circular_velocity
from nuker_surrogate.law.nuker import NukerParams, surface_density

__all__ = [
    "NukerParams",
    "Surrogate",
    "exact_circular_velocity",
    "load_surrogate",
    "ridge_projector",
    "surface_density",
]
