"""Execution of one job in any process: run the work function and record its outcome or failure.

The work function is named `module:function`, so that fits, tests and benchmarks share the code.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from steelyard_schemas import ContractError, JobRecord, SurveyJob, is_full

from steelyard.survey.folder import SurveyFolder
from steelyard.survey.lock import job_lock
from steelyard.survey.status import STATUS_FILE, StatusWriter, worker_name

__all__ = ["FIT", "JobPlace", "Outcome", "Work", "failure", "find_work", "run_job"]

FIT = "steelyard.survey.fit_work:fit_galaxy"
REASON_LENGTH = 600


class Outcome(NamedTuple):
    """Outcome of a work function."""

    status: Literal["converged", "not_converged"]
    """Whether the fit converged."""
    reason: str | None
    """Warnings, if any."""
    posterior_hash: str
    """Content hash of the posterior."""
    draws_hash: str
    """Hash of the draws alone."""


@dataclass(frozen=True)
class JobPlace:
    """Folders and status writer of a job."""

    folder: Path
    """Output folder."""
    data_folder: Path
    """Folder where relative data paths start."""
    reports: bool
    """Whether to write a report."""
    status: StatusWriter
    """Receives the progress."""


Work = Callable[[SurveyJob, JobPlace], Outcome]


def find_work(name: str) -> Work:
    """Import the work function `module:function`."""
    module, _, function = name.partition(":")
    work: Work = getattr(import_module(module), function)
    return work


def run_job(
    work: Work, job: SurveyJob, survey: SurveyFolder, data_folder: Path, *, reports: bool = True, attempt: int = 1
) -> JobRecord:
    """Run one job and write its record; any exception becomes the reason of a failure.

    Only KeyboardInterrupt, SystemExit and signals propagate.
    """
    folder = survey.job_folder(job.output)
    status = StatusWriter(folder / STATUS_FILE, job.galaxy.name)
    started, clock = _now(), time.perf_counter()
    outcome: Outcome | None = None
    reason: str | None = None
    try:
        with job_lock(folder):
            try:
                outcome = work(job, JobPlace(folder, data_folder, reports, status))
                reason = outcome.reason
            finally:
                status.close()
    except Exception as error:  # a failing galaxy must not stop the others
        reason = reason_of(error)
    record = JobRecord(
        job_id=job.job_id,
        name=job.galaxy.name,
        status="failed" if outcome is None else outcome.status,
        reason=reason,
        started_utc=started,
        finished_utc=_now(),
        posterior_hash=None if outcome is None else outcome.posterior_hash,
        draws_hash=None if outcome is None else outcome.draws_hash,
        worker=worker_name(),
        attempts=attempt,
        wall_s=time.perf_counter() - clock,
    )
    try:
        survey.write_record(job.output, record)
    except OSError as error:
        # The driver still receives the record. Without it on disk, the job is rerun from its checkpoint.
        reason = reason or reason_of(error)
        return record.model_copy(update={"status": "failed", "reason": reason})
    return record


def failure(job_id: str, name: str, reason: str, attempts: int) -> JobRecord:
    """Return the record of a job whose worker could not write one."""
    now = _now()
    return JobRecord(
        job_id=job_id,
        name=name,
        status="failed",
        reason=reason[:REASON_LENGTH],
        started_utc=now,
        finished_utc=now,
        worker=worker_name(),
        attempts=attempts,
    )


def reason_of(error: BaseException) -> str:
    """Describe an error in one line, with a remedy if one is known."""
    line = " ".join(str(error).split()) or type(error).__name__
    if is_full(error):
        line = f"no space left to write ({line}): free some space, then run `steelyard survey resume`"
    elif isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in line:
        line = f"out of memory ({line}): use fewer workers per GPU or machine, or a smaller grid"
    elif not isinstance(error, ContractError | OSError | ValueError):
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        line = f"{type(error).__name__}: {line}{place}"
    return line[:REASON_LENGTH]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
