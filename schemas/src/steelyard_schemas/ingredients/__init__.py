"""Ingredients of a galaxy: each is declared once with its parameters, and everything else is derived.

A record is a class: its fields are entries of the galaxy file, its `parameters` are sampled by a fit. To add one, put
its record into the module of its family here and its law into `kinematics`, under the same `kind`.
"""

from steelyard_schemas.ingredients.gas import (
    ConstantDispersion,
    DispersionLaw,
    GasProfile,
    ProfileTable,
)
from steelyard_schemas.ingredients.mass import BlackHole, MassComponent, NfwHalo
from steelyard_schemas.ingredients.nuisance import Absorber, Distance, LineFlux
from steelyard_schemas.ingredients.orientation import Orientation, Warp
from steelyard_schemas.ingredients.parameter import DataEstimates, Parameter, Start
from steelyard_schemas.ingredients.record import Ingredient, kinds, one_kind, one_record, records
from steelyard_schemas.ingredients.stars import Flexibility, MgeStars, NukerStars, Stars

__all__ = [
    "PARAMETERS",
    "Absorber",
    "BlackHole",
    "ConstantDispersion",
    "DataEstimates",
    "DispersionLaw",
    "Distance",
    "Flexibility",
    "GasProfile",
    "Ingredient",
    "LineFlux",
    "MassComponent",
    "MgeStars",
    "NfwHalo",
    "NukerStars",
    "Orientation",
    "Parameter",
    "ProfileTable",
    "Stars",
    "Start",
    "Warp",
    "every_ingredient",
    "kinds",
    "one_kind",
    "one_record",
    "records",
]


def every_ingredient() -> tuple[type[Ingredient], ...]:
    """Return the records of all ingredients, in the order in which a galaxy lists its parameters."""
    return (
        BlackHole,
        *records(Stars),
        Flexibility,
        Orientation,
        *records(DispersionLaw),
        Warp,
        *records(GasProfile),
        LineFlux,
        Absorber,
        *records(MassComponent),
        Distance,
    )


PARAMETERS: dict[str, Parameter] = {p.name: p for record in every_ingredient() for p in record.parameters}
"""All parameters that a galaxy can have, by name."""
