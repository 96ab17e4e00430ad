"""Contract `surrogate_artifact`: a trained network with its domain, its errors and its provenance."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import Contract, Part
from steelyard_schemas.names import MemberName

__all__ = ["Domain", "ErrorEnvelope", "Interval", "SurrogateArtifact"]


class Interval(Part):
    """A closed interval."""

    low: float
    high: float


class Domain(Part):
    """The box of Nuker parameters inside which the error envelope holds."""

    alpha: Interval
    gamma: Interval
    beta_minus_gamma: Interval
    r_b_pc: Interval


class ErrorEnvelope(Part):
    """Worst relative error over radius against the exact deprojection: its distribution over the domain."""

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
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", description="semantic version of the artifact")
    head: Literal["linear", "corrected", "normalised", "symexp", "direct"] = Field(
        description="what gives the coefficients: a linear deconvolution; a network on top of it; a network alone, "
        "in units of their scale, by their signed logarithm, or directly"
    )
    hidden: tuple[int, ...] = Field(description="widths of the hidden layers")
    activation: str
    inputs: tuple[str, ...] = Field(description="network inputs, in order, before standardisation")
    input_mean: tuple[float, ...]
    input_scale: tuple[float, ...]
    sigma_pc: tuple[float, ...] = Field(description="dispersions of the Gaussians")
    domain: Domain
    training: dict[str, str | int | float | bool | tuple[float, ...]] = Field(
        description="configuration and seed that reproduce the weights"
    )
    errors: tuple[ErrorEnvelope, ...]
    files: dict[MemberName, str] = Field(
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
