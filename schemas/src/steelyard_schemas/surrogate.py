"""Contract `surrogate_artifact`: a surrogate with its domain, errors and provenance."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import Contract, Part
from steelyard_schemas.names import MemberName

__all__ = ["VALIDATION", "WEIGHTS", "Domain", "ErrorEnvelope", "Interval", "SurrogateArtifact"]

WEIGHTS, VALIDATION = "weights.msgpack", "validation.zarr"
Positive = Annotated[float, Field(gt=0)]


class Interval(Part):
    """A closed interval."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} must not exceed high = {self.high:g}")
        return self


class Domain(Part):
    """Box of Nuker parameters in which the error envelope is valid."""

    alpha: Interval
    gamma: Interval
    beta_minus_gamma: Interval
    r_b_pc: Interval

    @model_validator(mode="after")
    def _positive_where_due(self) -> Self:
        if self.alpha.low <= 0 or self.r_b_pc.low <= 0:
            raise ValueError(f"alpha.low = {self.alpha.low:g} and r_b_pc.low = {self.r_b_pc.low:g} must be above 0")
        return self


class ErrorEnvelope(Part):
    """Distribution over the domain of the worst relative error over radius, against exact deprojection."""

    quantity: Literal["surface_density", "enclosed_mass", "circular_velocity"]
    q: float = Field(gt=0, le=1, description="intrinsic axis ratio")
    points: Literal["box", "faces"] = Field(
        default="box", description="laws drawn uniformly in the domain, or on its faces, edges and corners"
    )
    radius_min_pc: float = Field(gt=0)
    radius_max_pc: float = Field(gt=0)
    n_points: int = Field(gt=0)
    median: float = Field(ge=0)
    p95: float = Field(ge=0)
    p99: float = Field(ge=0)
    worst: float = Field(ge=0)
    worst_at: dict[str, float] = Field(description="Nuker parameters of the worst point")


class SurrogateArtifact(Contract):
    """Manifest of an artifact folder: manifest.json, weights.msgpack, validation.zarr.

    Coefficients are surface densities in the unit of Sigma_b, for Sigma_b = 1.
    """

    kind: Literal["surrogate_artifact"] = "surrogate_artifact"
    schema_version: Literal["1.0"] = "1.0"
    version: str = Field(
        pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$", description="semantic version of the artifact"
    )
    head: Literal["linear", "corrected", "normalised", "symexp", "direct"] = Field(
        description="what gives the coefficients: a linear deconvolution; a network on top of it; a network alone, "
        "in units of their scale, by their signed logarithm, or directly"
    )
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field(description="widths of the hidden layers")
    activation: str
    inputs: tuple[str, ...] = Field(description="network inputs, in order, before standardisation")
    input_mean: tuple[float, ...]
    input_scale: tuple[Positive, ...]
    sigma_pc: tuple[Positive, ...] = Field(min_length=2, description="dispersions of the Gaussians, ascending")
    domain: Domain
    training: dict[str, str | int | float | bool | tuple[float, ...]] = Field(
        description="configuration and seed that reproduce the weights"
    )
    errors: tuple[ErrorEnvelope, ...]
    files: dict[MemberName, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = Field(
        description="file or folder -> 'sha256:...' of its bytes, or of the names and bytes in it"
    )
    created_utc: str
    code_version: str

    VALIDATION_ARRAYS: ClassVar[tuple[ArraySpec, ...]] = (
        ArraySpec("alpha", ("point",), "float64", "", "sharpness of the break"),
        ArraySpec("gamma", ("point",), "float64", "", "inner slope"),
        ArraySpec("beta_minus_gamma", ("point",), "float64", "", "steepening"),
        ArraySpec("r_b_pc", ("point",), "float64", "pc", "break radius"),
        ArraySpec("circular_velocity_error", ("point",), "float64", "", "worst relative error over radius, q = 1"),
        ArraySpec("surface_density_error", ("point",), "float64", "", "worst relative error over radius"),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if WEIGHTS not in self.files:
            raise ValueError(f"files lists no {WEIGHTS}")
        if not len(self.inputs) == len(self.input_mean) == len(self.input_scale):
            raise ValueError(
                f"inputs, input_mean and input_scale must have equal lengths, found {len(self.inputs)}, "
                f"{len(self.input_mean)} and {len(self.input_scale)}"
            )
        if self.head == "linear" and self.hidden:
            raise ValueError(f"hidden must be empty for a linear head, which has no network, found {self.hidden}")
        if any(b <= a for a, b in pairwise(self.sigma_pc)):
            raise ValueError("sigma_pc must ascend")
        return self
