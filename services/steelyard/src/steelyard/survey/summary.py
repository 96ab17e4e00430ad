"""State of a survey, read from its folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from steelyard.survey.folder import SurveyFolder
from steelyard.survey.lock import driver_of
from steelyard.survey.status import JobStatus, read_status

__all__ = ["SurveyState", "survey_state"]

MOST_FAILURES = 1000


@dataclass
class SurveyState:
    """Counts of a survey's jobs, galaxies at work, and failures."""

    total: int
    driver: str | None
    converged: int = 0
    not_converged: int = 0
    failed: int = 0
    waiting: int = 0
    damaged: int = 0
    """Jobs whose record cannot be read; the next run repeats them."""
    at_work: list[JobStatus] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Reason of failure by galaxy name."""

    def as_json(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return asdict(self)


def survey_state(survey: SurveyFolder) -> SurveyState:
    """Read a survey's records and status files, without contacting the driver or Ray.

    Raises:
        ContractError: the folder contains no survey, or its plan is damaged.

    """
    state = SurveyState(survey.n_jobs, driver_of(survey.lock))
    for job in survey.jobs():
        record, reason = survey.record_or_reason(job.output)
        if reason:
            if len(state.failures) < MOST_FAILURES:
                state.failures[job.name] = reason
            at_work = list(read_status(iter([survey.job_folder(job.output)]))) if state.driver else []
            state.at_work += at_work
            state.damaged += not at_work
            continue
        if record is None or record.job_id != job.job_id or record.status == "failed":
            # Without a driver, status files are leftovers of killed workers.
            at_work = list(read_status(iter([survey.job_folder(job.output)]))) if state.driver else []
            state.at_work += at_work
            if at_work or record is None or record.job_id != job.job_id:
                state.waiting += not at_work
                continue
        setattr(state, record.status, getattr(state, record.status) + 1)
        if record.status == "failed" and len(state.failures) < MOST_FAILURES:
            state.failures[job.name] = record.reason or ""
    return state
