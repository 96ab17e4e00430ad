"""Contract `posterior`: chains of one galaxy with their inputs, convergence and quality."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import Part, StoreContract
from steelyard_schemas.galaxy_document import GalaxyDocument
from steelyard_schemas.names import MemberName
from steelyard_schemas.observation import FrequencyFrame
from steelyard_schemas.priors import Prior

__all__ = [
    "BlackHole",
    "FitQuality",
    "Inputs",
    "ParameterSummary",
    "Posterior",
    "SubcellGrade",
    "SystemicVelocity",
]

SubcellGrade = Literal["standard", "fine"]


class Inputs(Part):
    """Hashes and versions of everything that the posterior depends on."""

    galaxy_hash: str
    gridded_hash: str
    surrogate_version: str | None
    surrogate_hash: str | None
    packages: dict[str, str]


class ParameterSummary(Part):
    """Marginal posterior of one parameter and the convergence of its chains."""

    name: MemberName
    unit: str
    prior: Prior
    mean: float
    sd: float
    q05: float
    q16: float
    median: float
    q84: float
    q95: float
    rhat: float | None = Field(description="rank-normalised split R-hat; None if it could not be computed")
    ess_bulk: float | None
    ess_tail: float | None
    contraction: float | None = Field(
        default=None,
        le=1,
        description="1 - sd(posterior) / sd(prior), both of the parameter's quantile under its prior; "
        "near 0 if unconstrained by the data. None in posteriors of versions before 1.2",
    )


class BlackHole(Part):
    """Black-hole verdict and mass, log10 in Msun."""

    verdict: Literal["measured", "upper_limit", "unconstrained", "fixed"]
    log10_mbh: float = Field(description="posterior median")
    log10_mbh_q16: float
    log10_mbh_q84: float
    log10_mbh_upper95: float
    reason: str


class SystemicVelocity(Part):
    """Posterior of the systemic velocity in three definitions, in the frame of the data."""

    radio_kms: float = Field(description="c (1 - f / f_rest), posterior median")
    optical_kms: float = Field(description="c z")
    redshift: float
    sd_kms: float = Field(ge=0, description="standard deviation in the galaxy's frame; 0 if it was fixed")
    frame: FrequencyFrame


class FitQuality(Part):
    """Goodness of fit at the best draw, and sampling statistics."""

    log_likelihood: float
    chi2: float
    n_data: int
    acceptance_rate: float = Field(ge=0, le=1)
    step_size: float = Field(ge=0)
    jump_acceptance_rate: float | None = Field(
        default=None, ge=0, le=1, description="acceptance rate of proposals from the approximate likelihood"
    )
    n_gradients: int = Field(ge=0)
    n_jumps: int = Field(default=0, ge=0, description="likelihood evaluations without gradient")
    wall_s: float = Field(ge=0, description="wall time of warm-up and sampling, over all resumed runs")
    subcells: SubcellGrade = Field(
        default="standard", description="grade of the subcells into which the model divides pixels"
    )
    visibility_error: float | None = Field(
        default=None,
        ge=0,
        description="largest change of the model's visibilities at the mode when subcells are halved, in units "
        "of the peak amplitude. None in posteriors of versions before 1.3",
    )
    shift_sigma: float | None = Field(
        default=None,
        ge=0,
        description="largest first-order parameter shift due to that change, in units of the standard deviation",
    )
    warnings: tuple[str, ...] = ()


class Posterior(StoreContract):
    """Chains of the sampled parameters (group `posterior`) and their log density (group `sample_stats`).

    The store is a Zarr DataTree that ArviZ opens directly.
    """

    kind: Literal["posterior"] = "posterior"
    schema_version: Literal["1.5"] = "1.5"
    galaxy: GalaxyDocument
    converged: bool
    complete: bool = Field(description="false if the run was stopped before its target or budget")
    parameters: tuple[ParameterSummary, ...]
    fixed: dict[str, float] = Field(default={}, description="parameters that were not sampled")
    black_hole: BlackHole
    velocities: Literal["galaxy_frame", "radio_differences"] = Field(
        default="galaxy_frame",
        description="'radio_differences': made by a version before 1.4 of this contract, which took line-of-sight "
        "velocities for differences of radio velocity; masses are low by (1 + z)^2, velocities and widths by 1 + z",
    )
    systemic_velocity: SystemicVelocity | None = Field(
        default=None, description="None in posteriors of versions before 1.4"
    )
    quality: FitQuality
    inputs: Inputs
    created_utc: str

    def array_specs(self) -> tuple[ArraySpec, ...]:
        """Return one array per sampled parameter, the log density, and the two coordinates."""
        draws = ("chain", "draw")
        coordinates = (
            ArraySpec("posterior/chain", ("chain",), "int64", "", "chain number"),
            ArraySpec("posterior/draw", ("draw",), "int64", "", "draw number"),
            ArraySpec("sample_stats/chain", ("chain",), "int64", "", "chain number"),
            ArraySpec("sample_stats/draw", ("draw",), "int64", "", "draw number"),
            ArraySpec("sample_stats/lp", draws, "float64", "", "log posterior density, unconstrained parameters"),
        )
        return coordinates + tuple(
            ArraySpec(f"posterior/{p.name}", draws, "float64", p.unit, p.name) for p in self.parameters
        )
