"""Neural deprojection of the Nuker law into a multi-Gaussian expansion."""

from nuker_surrogate.artifact import load_surrogate
from nuker_surrogate.deprojection import exact_circular_velocity
from nuker_surrogate.law import NukerParams, surface_density
from nuker_surrogate.ridge import ridge_projector
from nuker_surrogate.surrogate import Surrogate

__all__ = [
    "NukerParams",
    "Surrogate",
    "exact_circular_velocity",
    "load_surrogate",
    "ridge_projector",
    "surface_density",
]
