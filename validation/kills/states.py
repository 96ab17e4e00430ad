"""End states of a fit, a survey and a training as hashes, less what differs between two undisturbed runs too."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nuker_surrogate import load_surrogate
from steelyard.survey.folder import SurveyFolder
from steelyard_schemas import (
    ContractError,
    GriddedVisibilities,
    Posterior,
    content_hash,
    file_hash,
    read_json,
    read_npz,
    read_store,
)

State = dict[str, str]
"""Hash by name of a part."""
TEMPORARY = re.compile(r".*\.(new|old|partial)|.*\.break\..*")
"""Names that are there only while something is written."""
LEFT_OUT = {
    "posterior": {
        "created_utc": True,
        "content_hash": True,
        "quality": {"wall_s"},
        "galaxy": {"sampler": {"checkpoint_s"}},
        "inputs": {"galaxy_hash"},
    },
    "run": ("galaxy_file",),
    "checkpoint": ("seconds",),
    "survey": ("planned_utc",),
    "record": {"started_utc", "finished_utc", "wall_s", "worker", "attempts", "posterior_hash"},
    "surrogate": {"created_utc"},
}
"""Fields that are not compared: times, hashes that cover times (content_hash, posterior_hash), the workers, the
interval between checkpoints (and with it the hash of the galaxy file, whose other fields are all compared), and where
the galaxy file lies."""
REPORT_TIMES = re.compile(r"<tr><th>(time|made|galaxy file)</th>.*")
"""Lines of a fit's report with times, and with the galaxy file's hash."""


def names(folder: Path) -> State:
    """Return the names of all files and folders as one hash; a name that is left over changes it."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return {"names": _digest(found)}


def leftovers(folder: Path) -> list[str]:
    """Return temporary names and lock files in a folder."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if TEMPORARY.fullmatch(path.name) or path.suffix == ".lock"
    )


def fit_state(folder: Path) -> State:
    """Return the state of a fit's folder.

    Raises:
        ContractError: something in it is missing or damaged.

    """
    posterior = read_store(folder / "posterior.zarr", Posterior)
    run = {name: value for name, value in read_json(folder / "run.json").items() if name not in LEFT_OUT["run"]}
    manifest = posterior.manifest.model_dump(mode="json", exclude=LEFT_OUT["posterior"])
    state = {
        "draws": content_hash({}, posterior.arrays),
        "posterior manifest": _digest(manifest),
        "gridded data": read_store(folder / "gridded.zarr", GriddedVisibilities).manifest.content_hash,
        "checkpoint": _arrays(read_npz(folder / "checkpoint.npz", ""), LEFT_OUT["checkpoint"]),
        "approximation": _arrays(read_npz(folder / "approximation.npz", "")),
        "run.json": _digest(run),
    }
    if (report := folder / "report.html").exists():
        state["report"] = _digest(REPORT_TIMES.sub("", report.read_text()))
    return state


def survey_state(folder: Path) -> State:
    """Return the state of a survey's folder: plan, records, fits and the survey's page.

    Raises:
        ContractError: something in it is missing or damaged, or a record is not that of its posterior.

    """
    survey = SurveyFolder(folder)
    about = {name: value for name, value in read_json(survey.about).items() if name not in LEFT_OUT["survey"]}
    state = {"survey.json": _digest(about), "plan": file_hash(survey.plan), "page": file_hash(survey.report)}
    for job in survey.jobs():
        place = survey.job_folder(job.output)
        record = survey.record(job.output)
        if record is None:
            raise ContractError(place, "has no record")
        if record.posterior_hash != read_store(place / "posterior.zarr", Posterior).manifest.content_hash:
            raise ContractError(place, "its record names another posterior")
        state[f"{job.name}: record"] = _digest(record.model_dump(mode="json", exclude=LEFT_OUT["record"]))
        state |= {f"{job.name}: {part}": value for part, value in fit_state(place).items()}
    return state


def artifact_state(folder: Path) -> State:
    """Return the state of an artifact, whose manifest holds the hashes of weights and validation.

    Raises:
        ContractError: a part is missing or does not have the manifest's hash.

    """
    manifest = load_surrogate(folder).manifest
    return {
        "weights": manifest.files["weights.msgpack"],
        "surrogate manifest": _digest(manifest.model_dump(mode="json", exclude=LEFT_OUT["surrogate"])),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _arrays(arrays: Mapping[str, np.ndarray], left_out: tuple[str, ...] = ()) -> str:
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - set(left_out)):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
