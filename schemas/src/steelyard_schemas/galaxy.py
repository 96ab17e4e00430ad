"""Contract `galaxy`: input of a fit, written by the user in TOML or JSON."""

from __future__ import annotations

import re
from math import acos, cos, degrees, radians
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from steelyard_schemas.contract import Contract, Part
from steelyard_schemas.ingredients import (
    PARAMETERS,
    Absorber,
    BlackHole,
    DispersionLaw,
    Distance,
    Flexibility,
    GasProfile,
    Ingredient,
    LineFlux,
    MassComponent,
    MgeStars,
    NukerStars,
    Orientation,
    Parameter,
    ProfileTable,
    Stars,
    Warp,
    kinds,
    one_kind,
    one_record,
)
from steelyard_schemas.priors import Fixed, Normal, Prior

__all__ = [
    "Data",
    "Disc",
    "Galaxy",
    "Grid",
    "Likelihood",
    "Line",
    "Priors",
    "SamplerSettings",
]


NAME_CHARACTER = r"[\w .+\-()\[\]]"
"""Allowed characters of a galaxy's name, after which the folder of its fit is named."""


class Line(Part):
    """The spectral line that traces the gas."""

    name: str = Field(description="name for labels, such as CO(2-1) or HI")
    rest_frequency_hz: float = Field(description="rest frequency of the observed line")
    redshift: float | None = Field(
        default=None,
        gt=-0.01,
        lt=20,
        description="redshift in the frame of the data; the default prior of vsys_kms is then centred on it",
    )

    @field_validator("rest_frequency_hz")
    @classmethod
    def _in_hertz(cls, value: float) -> float:
        if not 1e7 < value < 1e13:
            raise ValueError(f"{value:g} is not a radio line in Hz; CO(2-1) is 230.538e9, HI is 1420.40575e6")
        return value


class Grid(Part):
    """Gridding of the visibilities; required unless the data are already gridded."""

    cell_arcsec: float = Field(gt=0, description="image pixel; at most a third of the beam")
    npix: int = Field(ge=16, le=4096, description="image pixels along a side; npix * cell is the field of view")
    velocity_min_kms: float | None = Field(default=None, description="first velocity kept (radio definition)")
    velocity_max_kms: float | None = Field(default=None, description="last velocity kept (radio definition)")

    @model_validator(mode="after")
    def _velocities_ordered(self) -> Self:
        low, high = self.velocity_min_kms, self.velocity_max_kms
        if low is not None and high is not None and not low < high:
            raise ValueError(f"velocity_min_kms = {low:g} must be below velocity_max_kms = {high:g}")
        return self


class Data(Part):
    """Location of the visibilities; relative paths start at the galaxy file."""

    path: str = Field(min_length=1, description="Measurement Set, UVFITS, viscube .npz or a Steelyard store")
    grid: Grid | None = Field(default=None, description="omit if the data are already gridded")
    spectral_response: Literal["top_hat", "hanning"] = Field(
        default="top_hat",
        description="channel response; 'hanning' for channels smoothed by (1/4, 1/2, 1/4) and not averaged since",
    )
    primary_beam: Literal["gaussian", "airy", "none"] = Field(
        default="gaussian",
        description="Gaussian of FWHM 1.13 lambda / D; obscured aperture (ALMA's for 12 m and 7 m dishes); no beam",
    )


class Likelihood(Part):
    """Likelihood of the cell means."""

    kind: Literal["student_t", "gaussian", "gaussian_x2"] = Field(
        default="student_t",
        description="exact for an estimated variance; known noise; known noise doubled (the paper)",
    )


class SamplerSettings(Part):
    """Effort of the sampler. It stops when converged, or after `max_steps` per chain."""

    n_chains: int = Field(default=4, ge=2, le=64, description="number of parallel chains")
    n_starts: int = Field(default=8, ge=1, le=256, description="starting points of the mode search")
    n_warmup: int = Field(default=600, ge=50, le=10**9, description="adaptation steps, discarded")
    max_steps: int = Field(default=20000, ge=100, le=10**9, description="maximum steps per chain")
    target_ess: float = Field(default=400, gt=0, description="minimum effective sample size, bulk and tail")
    max_rhat: float = Field(default=1.01, gt=1, description="largest rank-normalised split R-hat")
    seed: int = Field(default=1, ge=0, le=2**63 - 1, description="random seed")
    checkpoint_s: float = Field(default=20, gt=0, description="seconds between checkpoints")


class PriorTable(Part):
    """One prior per parameter. `None`: derived from the data when the fit starts (the report lists it)."""

    def __getitem__(self, name: str) -> Prior | None:
        """Return the prior of a parameter by name."""
        return getattr(self, name)

    @model_validator(mode="after")
    def _positive_where_due(self) -> Self:
        for name in type(self).model_fields:
            prior = self[name]
            if prior is None or not PARAMETERS[name].positive:
                continue
            low = prior.value if isinstance(prior, Fixed) else prior.low
            if (low is None and isinstance(prior, Normal)) or (low is not None and low <= 0):
                raise ValueError(f"{name} must stay positive: give it a prior with low > 0")
        return self


def _prior_field(parameter: Parameter) -> Any:
    """Return type and field of a parameter's prior; the default is None if derived from the data."""
    if callable(parameter.prior):
        return Prior | None, Field(default=None, description=parameter.meaning)
    return Prior, Field(default=parameter.prior, description=parameter.meaning)


# Types derived from the records of the ingredients; type checkers only see their families.
if TYPE_CHECKING:
    Priors = PriorTable
    AnyStars = Stars
    AnyMass = MassComponent
    ProfileKind = str
    DispersionKind = str
else:
    Priors = create_model(
        "Priors",
        __base__=PriorTable,
        __doc__=PriorTable.__doc__,
        **{name: _prior_field(parameter) for name, parameter in PARAMETERS.items() if parameter.prior is not None},
    )
    AnyStars, AnyMass = one_record(Stars), one_record(MassComponent)
    ProfileKind, DispersionKind = one_kind(GasProfile), one_kind(DispersionLaw)


class Disc(Part):
    """Surface brightness, dispersion and warp of the gas disc as functions of radius."""

    profile: ProfileKind = Field(default="exponential", description="surface brightness of the gas")
    table: ProfileTable | None = Field(default=None, description="table of the profile 'table'")
    dispersion: DispersionKind = Field(default="constant", description="velocity dispersion of the gas with radius")
    warp: Warp | None = Field(default=None, description="omit for a flat disc")

    @model_validator(mode="after")
    def _table_goes_with_its_profile(self) -> Self:
        if self.profile == "table" and self.table is None:
            raise ValueError("profile = 'table' needs [disc.table] with radius_arcsec and surface_brightness")
        if self.profile != "table" and self.table is not None:
            raise ValueError(f"[disc.table] needs profile = 'table'; the profile is '{self.profile}'")
        return self


class Galaxy(Contract):
    """One target: data, distance, mass model, disc, priors and sampler settings."""

    kind: Literal["galaxy"] = "galaxy"
    schema_version: Literal["1.3"] = "1.3"
    name: str = Field(min_length=1, pattern=rf"^{NAME_CHARACTER}+$")
    distance: Distance
    line: Line
    data: Data
    stars: AnyStars = NukerStars()
    mass: tuple[AnyMass, ...] = Field(
        default=(), description="mass components besides stars and black hole; none by default"
    )
    disc: Disc = Disc()
    absorber: Absorber | None = Field(default=None, description="absorption against the nucleus; none by default")
    likelihood: Likelihood = Likelihood()
    sampler: SamplerSettings = SamplerSettings()
    priors: Priors = Priors()
    truth: dict[str, float] = Field(
        default={},
        description="known parameters of a mock; shown beside the posterior, never used in the fit",
    )

    @field_validator("name", mode="before")
    @classmethod
    def _can_name_a_folder(cls, name: object) -> object:
        # Checked before the pattern to give a readable message.
        if isinstance(name, str) and (others := re.sub(NAME_CHARACTER, "", name)):
            raise ValueError(
                f"it names a folder, so it may contain letters, digits, spaces and . + - _ ( ) [ ], but not "
                f"{' '.join(repr(other) for other in dict.fromkeys(others))}"
            )
        return name

    @model_validator(mode="after")
    def _one_systemic_velocity(self) -> Self:
        if self.line.redshift is not None and self.priors["vsys_kms"] is not None:
            raise ValueError("line.redshift and priors.vsys_kms exclude each other: give only one of them")
        return self

    @model_validator(mode="after")
    def _flattening_is_possible(self) -> Self:
        # An oblate body at inclination i never appears flatter than cos i (Cappellari 2002).
        if isinstance(self.stars, MgeStars):
            prior = self.priors["inclination_deg"]
            assert prior is not None
            lowest = prior.value if isinstance(prior, Fixed) else prior.low
            flattest = min(self.stars.q_obs)
            if lowest is None or flattest <= cos(radians(lowest)):
                given = "has no lower bound" if lowest is None else f"reaches down to {lowest:g} deg"
                raise ValueError(
                    f"stars.q_obs = {flattest:g} is below cos(inclination): priors.inclination_deg {given}, but "
                    f"Gaussians this flat need an inclination above {degrees(acos(flattest)):.2f} deg"
                )
        return self

    @model_validator(mode="after")
    def _mass_components_go_together(self) -> Self:
        kinds = [component.kind for component in self.mass]
        if twice := [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]:
            raise ValueError(f"mass: '{twice[0]}' is given more than once")
        for component in self.mass:
            if (problem := component.problem_with(self.disc.profile)) is not None:
                raise ValueError(f"mass: {problem}")
        return self

    @property
    def ingredients(self) -> tuple[type[Ingredient], ...]:
        """Records of this galaxy's ingredients, in the order of their parameters."""
        disc = self.disc
        return (
            BlackHole,
            type(self.stars),
            *(() if self.stars.flexibility is None else (Flexibility,)),
            Orientation,
            kinds(DispersionLaw)[disc.dispersion],
            *(() if disc.warp is None else (Warp,)),
            kinds(GasProfile)[disc.profile],
            LineFlux,
            *(() if self.absorber is None else (Absorber,)),
            *(type(component) for component in self.mass),
            Distance,
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters of the galaxy's model, sampled or fixed."""
        return tuple(parameter for record in self.ingredients for parameter in record.parameters)
