"""Empty job: measures driver overhead."""

from __future__ import annotations

from steelyard_schemas import SurveyJob, content_hash

from steelyard.survey.jobs import JobPlace, Outcome

__all__ = ["no_work"]


def no_work(job: SurveyJob, place: JobPlace) -> Outcome:
    """Return immediately; only the record is written."""
    nothing = content_hash({}, {})
    return Outcome("converged", None, nothing, nothing)
