from .artifacts.open import load_surrogate
from .expansion.ridge import ridge_projector
from .expansion.surrogate import Surrogate
from .law.deprojection import exact_circular_velocity
from .law.nuker import NukerParams, surface_density

__all__ = [
    "NukerParams",
    "Surrogate",
    "exact_circular_velocity",
    "load_surrogate",
    "ridge_projector",
    "surface_density",
]
