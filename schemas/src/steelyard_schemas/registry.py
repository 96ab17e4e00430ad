"""Reading a contract of any kind and version: the union over all of them, and migration of old ones."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from steelyard_schemas.contract import Contract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.gridded import GriddedVisibilities
from steelyard_schemas.posterior import Posterior
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.survey import JobRecord, SurveyJob
from steelyard_schemas.training import TrainingJob, TrainingRecord
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

# (kind, version) -> pure function from a model of that version to one of the next, as plain data.
MIGRATIONS: dict[tuple[str, str], Callable[[dict[str, Any]], dict[str, Any]]] = {
    # 1.1 only adds optional fields: where the array stands and, of gridded data, cell moments and several sources.
    ("visibilities", "1.0"): lambda data: {**data, "schema_version": "1.1"},
    ("gridded_visibilities", "1.0"): lambda data: {**data, "schema_version": "1.1"},
    # 1.2 only adds the kernel "none".
    ("gridded_visibilities", "1.1"): lambda data: {**data, "schema_version": "1.2"},
    # 1.1 adds a halo, tabulated discs, a dispersion that varies, warps, spectral response and choice of primary beam;
    # the default of each is what 1.0 was. A posterior and a job hold the galaxy that they are of.
    ("galaxy", "1.0"): lambda data: {**data, "schema_version": "1.1"},
    # 1.2 only adds the redshift of the line and a central absorber, optional.
    ("galaxy", "1.1"): lambda data: {**data, "schema_version": "1.2"},
    ("posterior", "1.0"): lambda data: _with_migrated_galaxy({**data, "schema_version": "1.1"}),
    # 1.2 only adds what the data contract each prior by, optional.
    ("posterior", "1.1"): lambda data: {**data, "schema_version": "1.2"},
    # 1.3 only adds how exact the model's visibilities were, optional.
    ("posterior", "1.2"): lambda data: {**data, "schema_version": "1.3"},
    # 1.4 adds the systemic velocity in three forms. Models before it took radio differences for velocities.
    ("posterior", "1.3"): lambda data: _with_migrated_galaxy(
        {**data, "schema_version": "1.4", "velocities": "radio_differences"}
    ),
    ("survey_job", "1.0"): lambda data: _with_migrated_galaxy({**data, "schema_version": "1.1"}),
    ("survey_job", "1.1"): lambda data: _with_migrated_galaxy({**data, "schema_version": "1.2"}),
    # 1.1 only adds optional fields: the hash of the draws, attempts, time.
    ("job_record", "1.0"): lambda data: {**data, "schema_version": "1.1"},
}


def _with_migrated_galaxy(data: dict[str, Any]) -> dict[str, Any]:
    """Bring the galaxy inside a document to today's version."""
    galaxy = data.get("galaxy")
    if not isinstance(galaxy, dict):
        return data
    while ("galaxy", version := galaxy.get("schema_version", "1.0")) in MIGRATIONS:
        galaxy = MIGRATIONS["galaxy", version](galaxy)
    return {**data, "galaxy": galaxy}


def current_version(kind: str) -> str:
    """Return the schema version that this package writes for `kind`."""
    return get_args(CONTRACTS[kind].model_fields["schema_version"].annotation)[0]


def parse(data: Mapping[str, Any], *, where: object) -> Contract:
    """Turn plain data into its contract, migrating old versions.

    Raises:
        ContractError: unknown kind, newer version, or fields that break the contract (all are listed).

    """
    data = dict(data)
    kind, version = data.get("kind"), data.get("schema_version")
    if not isinstance(kind, str) or kind not in CONTRACTS:
        raise ContractError(where, f"kind is {reprlib.repr(kind)}, expected one of {', '.join(CONTRACTS)}")
    current = current_version(kind)
    if not isinstance(version, str):
        unknown = f"{kind} schema_version {reprlib.repr(version)} is unknown; this installation reads {current}"
        raise ContractError(where, unknown)
    while (kind, version) in MIGRATIONS:
        data = MIGRATIONS[kind, version](data)
        version = str(data["schema_version"])
    if version != current:
        if _as_tuple(version) > _as_tuple(current):
            advice = (
                f"is newer than this installation reads ({current}): update steelyard-schemas to one "
                f"that knows {kind} {version}"
            )
        else:
            advice = f"is unknown; this installation reads {current}"
        raise ContractError(where, f"{kind} schema_version {reprlib.repr(version)} {advice}")
    try:
        return CONTRACTS[kind].model_validate(data)
    except ValidationError as error:
        raise ContractError(where, _sentences(error)) from error


def _as_tuple(version: object) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in str(version).split("."))
    except ValueError:
        return ()


def _sentences(error: ValidationError) -> list[str]:
    problems = []
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"]) or "model"
        message = fault["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {message[:1].lower()}{message[1:]}")
    return problems
