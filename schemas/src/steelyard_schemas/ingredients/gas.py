"""Gas ingredients: surface brightness and line width of the disc as functions of radius."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.contract import Part
from steelyard_schemas.ingredients.parameter import Parameter, Start, size_prior
from steelyard_schemas.ingredients.record import Ingredient
from steelyard_schemas.priors import LogUniform, Uniform

__all__ = [
    "ConstantDispersion",
    "DispersionLaw",
    "Exponential",
    "ExponentialDispersion",
    "GasProfile",
    "HoledExponential",
    "ProfileTable",
    "Ring",
    "Sersic",
    "Tabulated",
]


class GasProfile(Ingredient):
    """Family of surface-brightness profiles of the disc; a galaxy has exactly one."""


_SCALE = Parameter(
    name="disc_scale_arcsec",
    unit="arcsec",
    label=r"$h$",
    meaning="exponential scale length",
    prior=size_prior,
    start=lambda data: Start(0.5 * data.radius_arcsec, 0.1 * data.radius_arcsec),
    positive=True,
)


class Exponential(GasProfile):
    """Exponential disc, I(R) ~ exp(-R / h)."""

    kind: Literal["exponential"] = "exponential"

    title = "exponential"
    parameters = (_SCALE,)


class HoledExponential(GasProfile):
    """Exponential disc with a central hole, I(R) ~ exp(-R / h) [1 - exp(-R^2 / R_hole^2)]."""

    kind: Literal["exponential_hole"] = "exponential_hole"

    title = "exponential with a hole"
    parameters = (
        _SCALE,
        Parameter(
            name="hole_radius_arcsec",
            unit="arcsec",
            label=r"$R_{\rm hole}$",
            meaning="radius of the central hole",
            prior=size_prior,
            start=lambda data: Start(0.3 * data.radius_arcsec, 0.1 * data.radius_arcsec),
            positive=True,
        ),
    )


class Ring(GasProfile):
    """Gaussian ring, I(R) ~ exp(-(R - R_ring)^2 / 2 w^2)."""

    kind: Literal["ring"] = "ring"

    title = "ring"
    parameters = (
        Parameter(
            name="ring_radius_arcsec",
            unit="arcsec",
            label=r"$R_{\rm ring}$",
            meaning="radius of the ring",
            prior=size_prior,
            start=lambda data: Start(data.radius_arcsec, 0.2 * data.radius_arcsec),
        ),
        Parameter(
            name="ring_width_arcsec",
            unit="arcsec",
            label=r"$w_{\rm ring}$",
            meaning="Gaussian width of the ring",
            prior=size_prior,
            start=lambda data: Start(0.4 * data.radius_arcsec, 0.1 * data.radius_arcsec),
            positive=True,
        ),
    )


class Sersic(GasProfile):
    """Sersic (1968) disc, I(R) ~ exp[-(R / h)^(1/n)]: Gaussian (n = 1/2), exponential (n = 1) or cuspy (n > 1)."""

    kind: Literal["sersic"] = "sersic"

    title = "Sersic"
    parameters = (
        Parameter(
            name="sersic_scale_arcsec",
            unit="arcsec",
            label=r"$h_{\rm S}$",
            meaning="radius at which the Sersic profile has fallen by e",
            prior=size_prior,
            start=lambda data: Start(0.5 * data.radius_arcsec, 0.1 * data.radius_arcsec),
            positive=True,
        ),
        Parameter(
            name="sersic_index",
            unit="",
            label=r"$n$",
            meaning="Sersic index of the gas disc",
            prior=Uniform(low=0.3, high=3.0),
            positive=True,
        ),
    )


class Tabulated(GasProfile):
    """Profile given by [disc.table], smoothly interpolated; only its shape matters."""

    kind: Literal["table"] = "table"

    title = "tabulated"


class ProfileTable(Part):
    """Tabulated surface brightness of the gas, smoothly interpolated; only its shape matters, not its unit."""

    radius_arcsec: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=3, description="ascending")
    surface_brightness: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        description="face-on, in any linear unit; the last value must be 0, as is the profile beyond it"
    )

    @model_validator(mode="after")
    def _is_a_profile(self) -> Self:
        radii, values = self.columns
        if len(radii) != len(values):
            raise ValueError(
                f"radius_arcsec and surface_brightness must have equal lengths, found {len(radii)} and {len(values)}"
            )
        if any(b <= a for a, b in pairwise(radii)):
            raise ValueError("radius_arcsec must ascend")
        if max(values) == 0 or values[-1] != 0:
            raise ValueError(
                f"surface_brightness must be above 0 somewhere and end with 0 at the edge of the disc; it ends with "
                f"{values[-1]:g}"
            )
        return self

    @property
    def columns(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Radii and brightness."""
        return self.radius_arcsec, self.surface_brightness


class DispersionLaw(Ingredient):
    """Family of laws for the velocity dispersion of the gas; a galaxy has exactly one."""


_CENTRAL = Parameter(
    name="sigma_gas_kms",
    unit="km/s",
    label=r"$\sigma_{\rm gas}$",
    meaning="velocity dispersion of the gas in the galaxy's frame, at the centre if it varies",
    prior=LogUniform(low=0.5, high=50.0),
    positive=True,
)


class ConstantDispersion(DispersionLaw):
    """Constant velocity dispersion at all radii."""

    kind: Literal["constant"] = "constant"

    title = "constant"
    parameters = (_CENTRAL,)


class ExponentialDispersion(DispersionLaw):
    """Exponential decline, sigma(R) = sigma_outer + (sigma_gas - sigma_outer) exp(-R / R_sigma)."""

    kind: Literal["exponential"] = "exponential"

    title = "exponential"
    parameters = (
        _CENTRAL,
        Parameter(
            name="sigma_gas_outer_kms",
            unit="km/s",
            label=r"$\sigma_{\rm gas,\infty}$",
            meaning="velocity dispersion far from the centre",
            prior=LogUniform(low=0.5, high=50.0),
            positive=True,
        ),
        Parameter(
            name="sigma_gas_scale_arcsec",
            unit="arcsec",
            label=r"$R_\sigma$",
            meaning="radius over which the dispersion falls by e towards its outer value",
            prior=size_prior,
            positive=True,
        ),
    )
