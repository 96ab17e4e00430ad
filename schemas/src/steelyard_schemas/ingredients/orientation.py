"""Orientation ingredients: centre, inclination, position angle and velocity of the disc, and its warp."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from steelyard_schemas.ingredients.parameter import DataEstimates, Parameter, Start
from steelyard_schemas.ingredients.record import Ingredient
from steelyard_schemas.priors import Normal, Prior, Sine, Uniform

__all__ = ["Orientation", "Warp"]


def _quarter_of_the_field(data: DataEstimates) -> Prior:
    return Uniform(low=-data.field_arcsec / 4, high=data.field_arcsec / 4)


def _ten_degrees_over_the_disc(data: DataEstimates) -> Prior:
    # Most discs are less warped.
    return Normal(mean=0.0, sd=10 / data.radius_arcsec)


class Orientation(Ingredient):
    """Orientation and centre of the disc; every galaxy has one."""

    title = "orientation"
    parameters = (
        Parameter(
            name="inclination_deg",
            unit="deg",
            label=r"$i$",
            meaning="inclination, 0 for face-on",
            prior=Sine(low=5.0, high=89.0),
        ),
        Parameter(
            name="pa_deg",
            unit="deg",
            label=r"PA",
            meaning="position angle, north through east to the receding half of the major axis",
            # The whole circle, cut opposite to the direction of the velocity gradient.
            prior=lambda data: Uniform(low=data.pa_deg - 180, high=data.pa_deg + 180),
            start=lambda data: Start(data.pa_deg, 10.0),
            period=360.0,
        ),
        Parameter(
            name="vsys_kms",
            unit="km/s",
            label=r"$v_{\rm sys}$",
            meaning="systemic velocity, radio definition c (1 - f / f_rest), frame of the data",
            prior=lambda data: Uniform(low=data.velocity_min_kms, high=data.velocity_max_kms),
            start=lambda data: Start(data.vsys_kms, 0.03 * (data.velocity_max_kms - data.velocity_min_kms)),
        ),
        Parameter(
            name="x0_arcsec",
            unit="arcsec",
            label=r"$x_0$",
            meaning="offset of the centre east of the phase centre",
            prior=_quarter_of_the_field,
            start=lambda data: Start(data.x0_arcsec, 0.1 * data.radius_arcsec),
        ),
        Parameter(
            name="y0_arcsec",
            unit="arcsec",
            label=r"$y_0$",
            meaning="offset of the centre north of the phase centre",
            prior=_quarter_of_the_field,
            start=lambda data: Start(data.y0_arcsec, 0.1 * data.radius_arcsec),
        ),
    )


class Warp(Ingredient):
    """Warp: inclination and position angle change linearly with radius."""

    reference_arcsec: float = Field(ge=0, description="radius at which the disc has inclination_deg and pa_deg")
    outer_arcsec: float = Field(gt=0, description="radius beyond which inclination and position angle are constant")

    title = "warp"
    parameters = (
        Parameter(
            name="pa_gradient_deg_per_arcsec",
            unit="deg/arcsec",
            label=r"${\rm d\,PA}/{\rm d}R$",
            meaning="change of the position angle with radius in a warp",
            prior=_ten_degrees_over_the_disc,
        ),
        Parameter(
            name="inclination_gradient_deg_per_arcsec",
            unit="deg/arcsec",
            label=r"${\rm d}i/{\rm d}R$",
            meaning="change of the inclination with radius in a warp",
            prior=_ten_degrees_over_the_disc,
        ),
    )

    @model_validator(mode="after")
    def _reference_lies_within(self) -> Self:
        if self.reference_arcsec > self.outer_arcsec:
            raise ValueError(
                f"reference_arcsec = {self.reference_arcsec:g} must not exceed outer_arcsec = {self.outer_arcsec:g}"
            )
        return self
