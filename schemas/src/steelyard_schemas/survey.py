"""Contracts `survey_job` and `job_record`: messages between a survey's driver and its actors."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.contract import Contract
from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.galaxy_document import GalaxyDocument
from steelyard_schemas.names import MemberName

__all__ = ["JobRecord", "SurveyJob", "job_identity"]


CONTENT_HASH = r"^sha256(-arrays)?:[0-9a-f]{64}$"
"""Pattern of a store's hash; those without suffix predate separate digests per array."""


def job_identity(galaxy: Galaxy, data_hash: str, surrogate_hash: str | None) -> str:
    """Return the SHA-256 of everything that determines a fit: galaxy file, data and artifact.

    The sampling budget and display-only fields are excluded: a fit with a larger budget is the same fit. So are the
    version of the galaxy file, options that the galaxy does not use, and priors of parameters that it does not have.
    """
    budget = {"max_steps", "target_ess", "max_rhat", "checkpoint_s"}
    # Without options that are absent: a new option must not change the identity of galaxies that do not use it.
    said = galaxy.model_dump(
        mode="json", exclude={"truth": True, "schema_version": True, "sampler": budget}, exclude_none=True
    )
    # Of the priors only those that count: an ingredient that this galaxy does not have may come and go.
    own = {parameter.name for parameter in galaxy.parameters}
    said["priors"] = {name: prior for name, prior in said.get("priors", {}).items() if name in own}
    return hashlib.sha256(json.dumps([said, data_hash, surrogate_hash], sort_keys=True).encode()).hexdigest()


class SurveyJob(Contract):
    """One galaxy to fit."""

    kind: Literal["survey_job"] = "survey_job"
    schema_version: Literal["1.3"] = "1.3"
    job_id: str = Field(pattern=r"^[0-9a-f]{64}$", description="identity of inputs, configuration and artifact")
    galaxy: GalaxyDocument
    output: MemberName = Field(description="folder of this job, relative to the survey's")


class JobRecord(Contract):
    """Record of one finished job."""

    kind: Literal["job_record"] = "job_record"
    schema_version: Literal["1.1"] = "1.1"
    job_id: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str
    status: Literal["converged", "not_converged", "failed"]
    reason: str | None = Field(default=None, description="why it failed or did not converge")
    started_utc: str
    finished_utc: str
    posterior_hash: str | None = Field(
        default=None, pattern=CONTENT_HASH, description="content hash of the posterior store, including its times"
    )
    draws_hash: str | None = Field(
        default=None,
        pattern=CONTENT_HASH,
        description="hash of the store's arrays alone, equal for every run of the job",
    )
    worker: str = Field(default="", description="host and process that finished the job")
    attempts: int = Field(
        default=1, ge=1, description="number of workers that had the job; all but the last were lost"
    )
    wall_s: float = Field(default=0.0, ge=0, description="wall time of the last attempt")

    @model_validator(mode="after")
    def _failure_has_a_reason(self) -> Self:
        if self.status != "converged" and not self.reason:
            raise ValueError(f"a job that is '{self.status}' must give its reason")
        if self.status != "failed" and self.posterior_hash is None:
            raise ValueError(f"a job that is '{self.status}' must name its posterior's hash")
        return self
