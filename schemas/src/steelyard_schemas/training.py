"""Contracts `training_job` and `training_record`: messages between a training driver and its actors."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.contract import Contract

__all__ = ["TrainingJob", "TrainingRecord"]

PERCENTILES = (50, 95, 99, 100)
"""Percentiles over the laws of the worst error over radius."""


class TrainingJob(Contract):
    """Training and evaluation of one member of a surrogate ensemble, on laws shared by all members."""

    kind: Literal["training_job"] = "training_job"
    schema_version: Literal["1.0"] = "1.0"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", description="name of the member and its folder")
    training: dict[str, str | int | float | bool | tuple[float, ...]] = Field(
        description="configuration and seed, as the artifact's manifest holds them"
    )
    points: int = Field(gt=0, description="number of test laws, uniform in the domain")
    points_seed: int = Field(ge=0, description="random seed of these laws")

    @property
    def identity(self) -> str:
        """SHA-256 of everything but the name."""
        plain = self.model_dump(mode="json", exclude={"name"})
        return "sha256:" + hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class TrainingRecord(Contract):
    """Result of training one member; errors are relative, at the worst radius of each law."""

    kind: Literal["training_record"] = "training_record"
    schema_version: Literal["1.0"] = "1.0"
    name: str
    job: str = Field(description="identity of the job")
    reason: str | None = Field(default=None, description="why it failed; none if it was trained")
    n_parameters: int = Field(default=0, ge=0, description="number of trained parameters")
    circular_velocity: tuple[float, ...] = Field(
        default=(), description="errors at the 50, 95, 99 and 100 % percentiles of the laws, q = 1"
    )
    surface_density: tuple[float, ...] = Field(default=(), description="errors at the same percentiles")
    wall_s: float = Field(default=0.0, ge=0, description="wall time of the last attempt")

    @model_validator(mode="after")
    def _measured_or_failed(self) -> Self:
        found = {len(self.circular_velocity), len(self.surface_density)}
        if found != ({0} if self.reason else {len(PERCENTILES)}):
            raise ValueError(f"errors must be given at {len(PERCENTILES)} percentiles, or the reason of a failure")
        return self
