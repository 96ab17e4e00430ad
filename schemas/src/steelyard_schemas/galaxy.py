"""Contract `galaxy`: all that a fit needs to know, as a user writes it in TOML or JSON."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from steelyard_schemas.contract import Contract, Part
from steelyard_schemas.priors import Fixed, LogUniform, Normal, Prior, Sine, Uniform

__all__ = [
    "Absorber",
    "Data",
    "Disc",
    "Distance",
    "Galaxy",
    "Grid",
    "Likelihood",
    "Line",
    "MgeStars",
    "NfwHalo",
    "NukerStars",
    "Priors",
    "ProfileTable",
    "SamplerSettings",
    "Warp",
]


NAME_CHARACTER = r"[\w .+\-()\[\]]"
"""What the name of a galaxy may hold, since the folder of its fit is named after it."""


class Distance(Part):
    """Angular-diameter distance; with `sd_mpc` it is sampled under a Gaussian prior.

    Not the luminosity distance, which is larger by (1 + z)^2.
    """

    mpc: float = Field(gt=0, le=1e4)
    sd_mpc: float | None = Field(default=None, gt=0)


class Line(Part):
    """The spectral line that traces the gas."""

    name: str = Field(description="for labels, as CO(2-1) or HI")
    rest_frequency_hz: float
    redshift: float | None = Field(
        default=None,
        gt=-0.01,
        lt=20,
        description="of the galaxy, in the frame of the data; vsys_kms then has a prior about it by default",
    )

    @field_validator("rest_frequency_hz")
    @classmethod
    def _in_hertz(cls, value: float) -> float:
        if not 1e7 < value < 1e13:
            raise ValueError(f"{value:g} is not a radio line in Hz; CO(2-1) is 230.538e9, HI is 1420.40575e6")
        return value


class Grid(Part):
    """How the visibilities are gridded; needed unless the data are gridded already."""

    cell_arcsec: float = Field(gt=0, description="image pixel; a third of the beam or finer")
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
    """Where the visibilities are; relative paths start at the galaxy file."""

    path: str = Field(min_length=1, description="Measurement Set, UVFITS, viscube .npz, or a store of ours")
    grid: Grid | None = None
    spectral_response: Literal["top_hat", "hanning"] = Field(
        default="top_hat",
        description="of a channel; 'hanning' for channels that were smoothed (1/4, 1/2, 1/4) and not averaged since",
    )
    primary_beam: Literal["gaussian", "airy", "none"] = Field(
        default="gaussian",
        description="FWHM 1.13 lambda / D; obscured aperture, ALMA's where the dishes are of 12 m or 7 m; no beam",
    )


class NukerStars(Part):
    """Stars that follow a Nuker law, deprojected by a surrogate."""

    kind: Literal["nuker"] = "nuker"
    surrogate: str = Field(default="latest", description="version of the artifact, or a path to one")


class MgeStars(Part):
    """Stars of an optical multi-Gaussian expansion with one mass-to-light ratio."""

    kind: Literal["mge"] = "mge"
    surface_brightness_lsun_pc2: tuple[float, ...] = Field(min_length=1)
    sigma_arcsec: tuple[Annotated[float, Field(gt=0)], ...]
    q_obs: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(description="observed axis ratios")
    innermost: Literal["keep", "remove"] = Field(
        default="keep", description="'remove' takes the innermost Gaussian for AGN light"
    )

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        n = len(self.surface_brightness_lsun_pc2)
        if not n == len(self.sigma_arcsec) == len(self.q_obs):
            raise ValueError(
                f"surface_brightness_lsun_pc2, sigma_arcsec and q_obs must have one length, found {n}, "
                f"{len(self.sigma_arcsec)} and {len(self.q_obs)}"
            )
        if self.innermost == "remove" and n < 2:
            raise ValueError("innermost = 'remove' would leave no Gaussian")
        return self


class NfwHalo(Part):
    """Dark matter of the profile of Navarro, Frenk & White (1997)."""

    kind: Literal["nfw"] = "nfw"


class ProfileTable(Part):
    """Surface brightness of the gas at some radii, smoothly interpolated; only its shape counts, not its unit."""

    radius_arcsec: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=3, description="ascending")
    surface_brightness: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        description="face-on, in any linear unit; the last is 0, and so is all beyond it"
    )

    @model_validator(mode="after")
    def _is_a_profile(self) -> Self:
        radii, values = self.columns
        if len(radii) != len(values):
            raise ValueError(
                f"radius_arcsec and surface_brightness must have one length, found {len(radii)} and {len(values)}"
            )
        if any(b <= a for a, b in pairwise(radii)):
            raise ValueError("radius_arcsec must ascend")
        if max(values) == 0 or values[-1] != 0:
            raise ValueError(
                f"surface_brightness must be above 0 somewhere and end with 0, where the disc ends; it ends with "
                f"{values[-1]:g}"
            )
        return self

    @property
    def columns(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Radii and brightness."""
        return self.radius_arcsec, self.surface_brightness


class Warp(Part):
    """Inclination and position angle that change linearly with radius."""

    reference_arcsec: float = Field(ge=0, description="radius at which the disc has inclination_deg and pa_deg")
    outer_arcsec: float = Field(
        gt=0, description="radius beyond which inclination and position angle stay as they are"
    )

    @model_validator(mode="after")
    def _reference_lies_within(self) -> Self:
        if self.reference_arcsec > self.outer_arcsec:
            raise ValueError(
                f"reference_arcsec = {self.reference_arcsec:g} must not exceed outer_arcsec = {self.outer_arcsec:g}"
            )
        return self


class Disc(Part):
    """Surface brightness, dispersion and warp of the gas disc as functions of radius."""

    profile: Literal["exponential", "exponential_hole", "ring", "table"] = "exponential"
    table: ProfileTable | None = Field(default=None, description="of the profile 'table'")
    dispersion: Literal["constant", "exponential"] = Field(
        default="constant",
        description="'exponential': from sigma_gas_kms at the centre to sigma_gas_outer_kms far out",
    )
    warp: Warp | None = Field(default=None, description="None for a flat disc")
    self_gravity: bool = Field(default=False, description="add the gravity of an exponential gas disc")

    @model_validator(mode="after")
    def _gravity_is_exponential(self) -> Self:
        if self.self_gravity and self.profile != "exponential":
            raise ValueError(f"self_gravity is that of an exponential disc; the profile is '{self.profile}'")
        return self

    @model_validator(mode="after")
    def _table_goes_with_its_profile(self) -> Self:
        if self.profile == "table" and self.table is None:
            raise ValueError("profile = 'table' needs [disc.table] with radius_arcsec and surface_brightness")
        if self.profile != "table" and self.table is not None:
            raise ValueError(f"[disc.table] needs profile = 'table'; the profile is '{self.profile}'")
        return self


class Absorber(Part):
    """Gas that absorbs the continuum of the nucleus: a point at the disc's centre, with its own optical depth."""

    continuum_jy: float = Field(
        gt=0, description="flux density of the nucleus near the line, before its continuum was subtracted"
    )


class Likelihood(Part):
    """How a cell's mean is compared with the model."""

    kind: Literal["student_t", "gaussian", "gaussian_x2"] = Field(
        default="student_t",
        description="exact for an estimated variance; known noise; known noise doubled (the paper)",
    )


class SamplerSettings(Part):
    """Effort of the sampler. It stops when converged, or after `max_steps` per chain."""

    n_chains: int = Field(default=4, ge=2, le=64)
    n_starts: int = Field(default=8, ge=1, le=256, description="starting points of the search for the mode")
    n_warmup: int = Field(default=600, ge=50, le=10**9)
    max_steps: int = Field(default=20000, ge=100, le=10**9)
    target_ess: float = Field(default=400, gt=0)
    max_rhat: float = Field(default=1.01, gt=1)
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    checkpoint_s: float = Field(default=20, gt=0)


class Priors(Part):
    """One prior per parameter. `None` means: set from the data when the fit starts (the report lists it)."""

    log10_mbh: Prior = Field(default=Uniform(low=4.0, high=10.5), description="black-hole mass [Msun]")
    log10_sigma_b: Prior = Field(
        default=Uniform(low=0.0, high=6.5),
        description="stellar surface density at the break radius [Msun pc^-2]",
    )
    alpha: Prior = Field(default=Uniform(low=0.1, high=10.0), description="sharpness of the Nuker break")
    gamma: Prior = Field(default=Uniform(low=0.001, high=1.2), description="inner Nuker slope")
    beta_minus_gamma: Prior = Field(default=Uniform(low=0.3, high=3.0), description="steepening of the slope")
    log10_r_b_pc: Prior = Field(default=Uniform(low=0.31, high=3.3), description="Nuker break radius [pc]")
    q: Prior = Field(default=Uniform(low=0.3, high=1.0), description="intrinsic axis ratio of the stars")
    mass_to_light: Prior = Field(default=LogUniform(low=0.1, high=20.0), description="of the optical MGE [Msun/Lsun]")
    inclination_deg: Prior = Field(default=Sine(low=5.0, high=89.0), description="0 is face-on")
    pa_deg: Prior | None = Field(default=None, description="north through east to the receding half")
    vsys_kms: Prior | None = Field(
        default=None, description="systemic velocity, radio definition c (1 - f / f_rest), frame of the data"
    )
    x0_arcsec: Prior | None = Field(default=None, description="centre east of the phase centre")
    y0_arcsec: Prior | None = Field(default=None, description="centre north of the phase centre")
    sigma_gas_kms: Prior = Field(
        default=LogUniform(low=0.5, high=50.0),
        description="velocity dispersion of the gas in the galaxy's frame, at the centre if it varies",
    )
    sigma_gas_outer_kms: Prior = Field(
        default=LogUniform(low=0.5, high=50.0), description="velocity dispersion far from the centre"
    )
    sigma_gas_scale_arcsec: Prior | None = Field(
        default=None, description="radius over which the dispersion falls by e towards its outer value"
    )
    pa_gradient_deg_per_arcsec: Prior | None = Field(default=None, description="of a warp")
    inclination_gradient_deg_per_arcsec: Prior | None = Field(default=None, description="of a warp")
    disc_scale_arcsec: Prior | None = Field(default=None, description="exponential scale length")
    hole_radius_arcsec: Prior | None = Field(default=None, description="radius of the central hole")
    ring_radius_arcsec: Prior | None = Field(default=None, description="radius of the ring")
    ring_width_arcsec: Prior | None = Field(default=None, description="Gaussian width of the ring")
    flux_jykms: Prior | None = Field(
        default=None, description="line flux of the whole disc, over velocity in the galaxy's frame"
    )
    absorber_tau: Prior = Field(
        default=LogUniform(low=0.001, high=10.0), description="peak optical depth of the central absorber"
    )
    absorber_velocity_kms: Prior = Field(
        default=Normal(mean=0.0, sd=100.0),
        description="velocity of the central absorber about the systemic one, in the galaxy's frame",
    )
    absorber_sigma_kms: Prior = Field(
        default=LogUniform(low=1.0, high=100.0), description="velocity dispersion of the central absorber"
    )
    log10_gas_mass: Prior = Field(default=Uniform(low=5.0, high=11.0), description="gas mass for self-gravity [Msun]")
    log10_m200: Prior = Field(
        default=Uniform(low=9.0, high=14.0),
        description="halo mass within 200 critical densities at the galaxy's redshift, H0 = 70, Omega_m = 0.3 [Msun]",
    )
    log10_c200: Prior = Field(
        default=Normal(mean=0.95, sd=0.2, low=0.0, high=2.0), description="halo concentration r_200 / r_s"
    )


class Galaxy(Contract):
    """One target: data, distance, mass model, disc, priors and the effort to spend."""

    kind: Literal["galaxy"] = "galaxy"
    schema_version: Literal["1.2"] = "1.2"
    name: str = Field(min_length=1, pattern=rf"^{NAME_CHARACTER}+$")
    distance: Distance
    line: Line
    data: Data
    stars: NukerStars | MgeStars = Field(default=NukerStars(), discriminator="kind")
    halo: NfwHalo | None = Field(default=None, description="dark matter; none by default")
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
        # Before the pattern, which says the same to machines.
        if isinstance(name, str) and (others := re.sub(NAME_CHARACTER, "", name)):
            raise ValueError(
                f"a folder is named after it, so it may hold letters, digits, spaces and . + - _ ( ) [ ], but not "
                f"{' '.join(repr(other) for other in dict.fromkeys(others))}"
            )
        return name

    @model_validator(mode="after")
    def _one_systemic_velocity(self) -> Self:
        if self.line.redshift is not None and self.priors.vsys_kms is not None:
            raise ValueError("line.redshift takes the place of priors.vsys_kms: give one of them")
        return self

    @model_validator(mode="after")
    def _flattening_is_possible(self) -> Self:
        # An oblate body seen at inclination i never looks flatter than cos i (Cappellari 2002).
        if isinstance(self.stars, MgeStars):
            from math import acos, cos, degrees, radians

            prior = self.priors.inclination_deg
            lowest = prior.value if isinstance(prior, Fixed) else prior.low
            flattest = min(self.stars.q_obs)
            if lowest is None or flattest <= cos(radians(lowest)):
                given = "has no lower bound" if lowest is None else f"reaches down to {lowest:g} deg"
                raise ValueError(
                    f"stars.q_obs = {flattest:g} is below cos(inclination): priors.inclination_deg {given}, but "
                    f"Gaussians this flat need an inclination above {degrees(acos(flattest)):.2f} deg"
                )
        return self

    @field_validator("priors")
    @classmethod
    def _positive_where_due(cls, priors: Priors) -> Priors:
        lengths = ("disc_scale_arcsec", "hole_radius_arcsec", "ring_width_arcsec", "sigma_gas_scale_arcsec")
        dispersions = ("sigma_gas_kms", "sigma_gas_outer_kms", "absorber_sigma_kms")
        for name in (*dispersions, *lengths, "mass_to_light", "flux_jykms", "q", "absorber_tau"):
            prior = getattr(priors, name)
            if prior is None:
                continue
            low = prior.value if isinstance(prior, Fixed) else prior.low
            if (low is None and isinstance(prior, Normal)) or (low is not None and low <= 0):
                raise ValueError(f"{name} must stay positive: give it a prior with low > 0")
        return priors
