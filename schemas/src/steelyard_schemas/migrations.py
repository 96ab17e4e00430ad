"""Reading a contract of any kind and version: the union over all of them, and migration of old ones."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from steelyard_schemas.contract import Contract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.galaxy_document import GALAXY_MIGRATIONS
from steelyard_schemas.gridded import GriddedVisibilities
from steelyard_schemas.posterior import Posterior
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.survey import JobRecord, SurveyJob
from steelyard_schemas.training import TrainingJob, TrainingRecord
from steelyard_schemas.versions import Step, brought_to_date
from steelyard_schemas.visibilities import Visibilities

__all__ = ["CONTRACTS", "MIGRATIONS", "current_version", "parse"]

# The current model of each kind.
CONTRACTS: dict[str, type[Contract]] = {
    model.model_fields["kind"].default: model
    for model in (
        Visibilities,
        GriddedVisibilities,
        SurrogateArtifact,
        Galaxy,
        Posterior,
        SurveyJob,
        JobRecord,
        TrainingJob,
        TrainingRecord,
    )
}

MIGRATIONS: dict[str, dict[str, Step]] = {
    "visibilities": {
        # 1.1 only adds optional fields: where the array stands and, of gridded data, cell moments, several sources.
        "1.0": lambda data: {**data, "schema_version": "1.1"},
    },
    "gridded_visibilities": {
        "1.0": lambda data: {**data, "schema_version": "1.1"},
        # 1.2 only adds the kernel "none".
        "1.1": lambda data: {**data, "schema_version": "1.2"},
    },
    "galaxy": GALAXY_MIGRATIONS,
    "posterior": {
        "1.0": lambda data: {**data, "schema_version": "1.1"},
        # 1.2 only adds what the data contract each prior by, optional.
        "1.1": lambda data: {**data, "schema_version": "1.2"},
        # 1.3 only adds how exact the model's visibilities were, optional.
        "1.2": lambda data: {**data, "schema_version": "1.3"},
        # 1.4 adds the systemic velocity in three forms. Models before it took radio differences for velocities.
        "1.3": lambda data: {**data, "schema_version": "1.4", "velocities": "radio_differences"},
        # From 1.5 on the galaxy inside has a version of its own, and is read through its own migrations.
        "1.4": lambda data: {**data, "schema_version": "1.5"},
    },
    "survey_job": {
        "1.0": lambda data: {**data, "schema_version": "1.1"},
        "1.1": lambda data: {**data, "schema_version": "1.2"},
        # From 1.3 on the galaxy inside has a version of its own.
        "1.2": lambda data: {**data, "schema_version": "1.3"},
    },
    "job_record": {
        # 1.1 only adds optional fields: the hash of the draws, attempts, time.
        "1.0": lambda data: {**data, "schema_version": "1.1"},
    },
}
"""Kind -> version -> pure function from a document of that version to one of the next, as plain data."""


def current_version(kind: str) -> str:
    """Return the schema version that this package writes for `kind`."""
    return get_args(CONTRACTS[kind].model_fields["schema_version"].annotation)[0]


def parse(data: Mapping[str, Any], *, where: object) -> Contract:
    """Turn plain data into its contract, migrating old versions.

    Raises:
        ContractError: unknown kind, newer version, or fields that break the contract (all are listed).

    """
    data = dict(data)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in CONTRACTS:
        raise ContractError(where, f"kind is {reprlib.repr(kind)}, expected one of {', '.join(CONTRACTS)}")
    try:
        data = brought_to_date(kind, data, MIGRATIONS.get(kind, {}), current_version(kind))
    except ValueError as error:
        raise ContractError(where, str(error)) from error
    try:
        return CONTRACTS[kind].model_validate(data)
    except ValidationError as error:
        raise ContractError(where, _sentences(error)) from error


def _sentences(error: ValidationError) -> list[str]:
    problems = []
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"]) or "model"
        message = fault["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {message[:1].lower()}{message[1:]}")
    return problems
