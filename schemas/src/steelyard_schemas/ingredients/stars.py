"""Stellar ingredients: surface-density laws, from which the stellar gravity follows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.ingredients.parameter import Parameter, Start
from steelyard_schemas.ingredients.record import Ingredient
from steelyard_schemas.priors import LogUniform, Normal, Uniform

__all__ = ["N_SHIFTS", "Flexibility", "MgeStars", "NukerStars", "Stars"]

N_SHIFTS = 8
"""Knots of a flexible law."""


class Flexibility(Ingredient):
    """Smooth departure of the stars from their law: a Gaussian process in log radius multiplies the Gaussians.

    Its prior is that of a process with a squared-exponential covariance, in independent standard normal scores.
    """

    amplitude: float = Field(
        default=0.15, gt=0, le=1, description="standard deviation of the natural logarithm of the surface density"
    )
    length_dex: float = Field(default=0.4, ge=0.2, le=2, description="correlation length in log radius")
    min_radius_pc: float = Field(default=3.0, gt=0, description="radius of the innermost knot")
    max_radius_pc: float = Field(default=500.0, gt=0, description="radius of the outermost knot")

    title = "flexible"
    parameters = tuple(
        Parameter(
            name=f"stars_shift_{i}",
            unit="",
            label=rf"$z_{i}$",
            meaning=f"normal score {i} of the stars' departure from their law",
            prior=Normal(mean=0.0, sd=1.0),
            start=lambda _: Start(0.0, 0.3),
            curve_only=True,
        )
        for i in range(1, N_SHIFTS + 1)
    )

    @model_validator(mode="after")
    def _radii_ordered(self) -> Self:
        if not self.min_radius_pc < self.max_radius_pc:
            raise ValueError(
                f"min_radius_pc = {self.min_radius_pc:g} must be below max_radius_pc = {self.max_radius_pc:g}"
            )
        return self


class Stars(Ingredient):
    """Family of stellar laws; a galaxy has exactly one."""

    flexibility: Flexibility | None = Field(default=None, description="omit for stars that follow their law exactly")

    @property
    def summary(self) -> str:
        """Short description of the law."""
        return self.title if self.flexibility is None else f"{self.title}, {self.flexibility.title}"


class NukerStars(Stars):
    """Nuker law of the stars, deprojected by a surrogate."""

    kind: Literal["nuker"] = "nuker"
    surrogate: str = Field(default="latest", description="version of the surrogate, or path to an artifact")

    title = "Nuker"
    parameters = (
        Parameter(
            name="log10_sigma_b",
            unit="dex(Msun pc^-2)",
            label=r"$\log_{10} \Sigma_b$",
            meaning="stellar surface density at the break radius [Msun pc^-2]",
            prior=Uniform(low=0.0, high=6.5),
            curve_only=True,
        ),
        Parameter(
            name="alpha",
            unit="",
            label=r"$\alpha$",
            meaning="sharpness of the Nuker break",
            prior=Uniform(low=0.1, high=10.0),
            curve_only=True,
        ),
        Parameter(
            name="gamma",
            unit="",
            label=r"$\gamma$",
            meaning="inner Nuker slope",
            prior=Uniform(low=0.001, high=1.2),
            curve_only=True,
        ),
        Parameter(
            name="beta_minus_gamma",
            unit="",
            label=r"$\beta-\gamma$",
            meaning="steepening of the slope",
            prior=Uniform(low=0.3, high=3.0),
            curve_only=True,
        ),
        Parameter(
            name="log10_r_b_pc",
            unit="dex(pc)",
            label=r"$\log_{10} r_b$",
            meaning="Nuker break radius [pc]",
            prior=Uniform(low=0.31, high=3.3),
            curve_only=True,
        ),
        Parameter(
            name="q",
            unit="",
            label=r"$q$",
            meaning="intrinsic axis ratio of the stars",
            prior=Uniform(low=0.3, high=1.0),
            positive=True,
            curve_only=True,
        ),
    )


class MgeStars(Stars):
    """Optical multi-Gaussian expansion of the stars with a constant mass-to-light ratio."""

    kind: Literal["mge"] = "mge"
    surface_brightness_lsun_pc2: tuple[float, ...] = Field(
        min_length=1, description="peak surface brightness of each Gaussian"
    )
    sigma_arcsec: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        description="dispersion of each Gaussian along the major axis"
    )
    q_obs: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(description="observed axis ratios")
    innermost: Literal["keep", "remove"] = Field(
        default="keep", description="'remove' treats the innermost Gaussian as AGN light"
    )

    title = "MGE"
    parameters = (
        Parameter(
            name="mass_to_light",
            unit="Msun/Lsun",
            label=r"$M/L$",
            meaning="mass-to-light ratio of the optical MGE [Msun/Lsun]",
            prior=LogUniform(low=0.1, high=20.0),
            positive=True,
            curve_only=True,
        ),
    )

    @property
    def summary(self) -> str:
        """Short description, including the treatment of the innermost Gaussian."""
        removed = ", innermost removed" if self.innermost == "remove" else ""
        return super().summary + removed

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        n = len(self.surface_brightness_lsun_pc2)
        if not n == len(self.sigma_arcsec) == len(self.q_obs):
            raise ValueError(
                f"surface_brightness_lsun_pc2, sigma_arcsec and q_obs must have equal lengths, found {n}, "
                f"{len(self.sigma_arcsec)} and {len(self.q_obs)}"
            )
        if self.innermost == "remove" and n < 2:
            raise ValueError("innermost = 'remove' would leave no Gaussian")
        return self
