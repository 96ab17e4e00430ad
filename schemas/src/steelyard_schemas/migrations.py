"""Parsing of contracts of any kind and version, with migration of old versions."""

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
        # 1.1 only adds optional fields: the array position and, for gridded data, cell moments and several sources.
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
        # 1.2 only adds the optional contraction of each prior.
        "1.1": lambda data: {**data, "schema_version": "1.2"},
        # 1.3 only adds the optional error of the model's visibilities.
        "1.2": lambda data: {**data, "schema_version": "1.3"},
        # 1.4 adds the systemic velocity in three definitions. Earlier models took radio differences for velocities.
        "1.3": lambda data: {**data, "schema_version": "1.4", "velocities": "radio_differences"},
        # From 1.5 on, the galaxy inside has its own version and migrations.
        "1.4": lambda data: {**data, "schema_version": "1.5"},
    },
    "survey_job": {
        "1.0": lambda data: {**data, "schema_version": "1.1"},
        "1.1": lambda data: {**data, "schema_version": "1.2"},
        # From 1.3 on, the galaxy inside has its own version.
        "1.2": lambda data: {**data, "schema_version": "1.3"},
    },
    "job_record": {
        # 1.1 only adds optional fields: the hash of the draws, attempts, time.
        "1.0": lambda data: {**data, "schema_version": "1.1"},
    },
}
"""Pure functions that migrate a document (plain data) to the next version, by kind and version."""


def current_version(kind: str) -> str:
    """Return the schema version that this package writes for `kind`."""
    return get_args(CONTRACTS[kind].model_fields["schema_version"].annotation)[0]


def parse(data: Mapping[str, Any], *, where: object) -> Contract:
    """Convert plain data to its contract, migrating old versions.

    Raises:
        ContractError: the kind is unknown, the version newer, or fields violate the contract (all are listed).

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
