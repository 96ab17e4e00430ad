"""Further ingredients: line flux, absorption against the nucleus, distance."""

from __future__ import annotations

from pydantic import Field

from steelyard_schemas.ingredients.parameter import Parameter, Start
from steelyard_schemas.ingredients.record import Ingredient
from steelyard_schemas.priors import LogUniform, Normal

__all__ = ["Absorber", "Distance", "LineFlux"]


class LineFlux(Ingredient):
    """Flux of the whole disc; every galaxy has one."""

    title = "line flux"
    parameters = (
        Parameter(
            name="flux_jykms",
            unit="Jy km/s",
            label=r"$F$",
            meaning="line flux of the whole disc, integrated over velocity in the galaxy's frame",
            prior=lambda data: LogUniform(low=data.flux_jykms / 30, high=data.flux_jykms * 30),
            start=lambda data: Start(1.2 * data.flux_jykms, 0.1 * data.flux_jykms),
            positive=True,
        ),
    )


class Absorber(Ingredient):
    """Gas absorbing the continuum of the nucleus: a point at the disc's centre with its own optical depth."""

    continuum_jy: float = Field(
        gt=0, description="continuum flux density of the nucleus near the line, before subtraction"
    )

    title = "absorber"
    parameters = (
        Parameter(
            name="absorber_tau",
            unit="",
            label=r"$\tau_{\rm abs}$",
            meaning="peak optical depth of the central absorber",
            prior=LogUniform(low=0.001, high=10.0),
            positive=True,
        ),
        Parameter(
            name="absorber_velocity_kms",
            unit="km/s",
            label=r"$v_{\rm abs}$",
            meaning="velocity of the central absorber relative to systemic, in the galaxy's frame",
            prior=Normal(mean=0.0, sd=100.0),
        ),
        Parameter(
            name="absorber_sigma_kms",
            unit="km/s",
            label=r"$\sigma_{\rm abs}$",
            meaning="velocity dispersion of the central absorber",
            prior=LogUniform(low=1.0, high=100.0),
            positive=True,
        ),
    )


class Distance(Ingredient):
    """Angular-diameter distance; with `sd_mpc` it is sampled under a Gaussian prior.

    It is not the luminosity distance, which is larger by (1 + z)^2.
    """

    mpc: float = Field(gt=0, le=1e4, description="distance, or the mean of its prior")
    sd_mpc: float | None = Field(
        default=None, gt=0, description="standard deviation; omit to keep the distance fixed"
    )

    title = "distance"
    parameters = (
        Parameter(
            name="distance_mpc",
            unit="Mpc",
            label=r"$D$",
            meaning="angular-diameter distance",
            prior=None,
            curve_only=True,
        ),
    )
