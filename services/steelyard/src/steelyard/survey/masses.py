"""Black-hole masses of a survey compared with the truth or a column of the sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError, Posterior, parse, read_manifest

from steelyard.survey.folder import PlannedJob, SurveyFolder

__all__ = ["MassRow", "PullSummary", "mass_rows", "pull_summary"]

MASS = "log10_mbh"


class MassRow(NamedTuple):
    """One galaxy of the report; masses are log10 of Msun, None if there is none."""

    name: str
    output: str
    status: str
    reason: str
    verdict: str | None = None
    log10_mbh: float | None = None
    sd: float | None = None
    upper95: float | None = None
    reference: float | None = None
    reference_sd: float = 0.0

    @property
    def pull(self) -> float | None:
        """Pull: (mass - reference) over the error of the difference."""
        if self.log10_mbh is None or self.sd is None or self.reference is None:
            return None
        error = math.hypot(self.sd, self.reference_sd)
        return (self.log10_mbh - self.reference) / error if error > 0 else None


class PullSummary(NamedTuple):
    """Mean and standard deviation of pulls, with standard errors for a normal distribution."""

    n: int
    mean: float
    mean_error: float
    scatter: float
    scatter_error: float


def mass_rows(survey: SurveyFolder, against: str | None = None) -> list[MassRow]:
    """Read the record of every galaxy and the summary of its posterior, if any.

    Args:
        survey: folder of the survey.
        against: column of log10 reference masses [Msun], by default the [truth] of each galaxy; errors are taken
            from the column `<against>_sd`, if present.

    Raises:
        ContractError: there is no valid plan, or no galaxy has a number in that column.

    """
    rows = [_row(survey, job, against) for job in survey.jobs()]
    if against is not None and all(row.reference is None for row in rows):
        raise ContractError(survey.path, f"no galaxy has a number in the column '{against}'")
    return rows


def _row(survey: SurveyFolder, job: PlannedJob, against: str | None) -> MassRow:
    record, reason = survey.record_or_reason(job.output)
    if reason:
        return MassRow(job.name, job.output, "damaged", reason)
    if record is None or record.job_id != job.job_id:
        return MassRow(job.name, job.output, "waiting", "")
    row = MassRow(job.name, job.output, record.status, record.reason or "")
    path = survey.job_folder(job.output) / "posterior.zarr"
    if record.status == "failed" or not path.exists():
        return row
    try:
        posterior = parse(read_manifest(path), where=path)
        if not isinstance(posterior, Posterior):
            raise ContractError(path, f"holds '{posterior.kind}', expected 'posterior'")
    except ContractError as error:
        return row._replace(status="damaged", reason=f"its posterior is damaged ({error})")
    sampled = next((p for p in posterior.parameters if p.name == MASS), None)
    reference = job.columns.get(against) if against else posterior.galaxy.truth.get(MASS)
    spread = job.columns.get(f"{against}_sd", 0.0)
    return row._replace(
        verdict=posterior.black_hole.verdict,
        log10_mbh=None if sampled is None else sampled.mean,
        sd=None if sampled is None else sampled.sd,
        upper95=posterior.black_hole.log10_mbh_upper95,
        reference=reference if isinstance(reference, float) else None,
        reference_sd=spread if isinstance(spread, float) else 0.0,
    )


def pull_summary(pulls: Iterable[float | None]) -> PullSummary | None:
    """Summarise the pulls that are not None; None if there are fewer than two."""
    values = np.array([pull for pull in pulls if pull is not None])
    n = len(values)
    if n < 2:
        return None
    scatter = float(values.std(ddof=1))
    return PullSummary(n, float(values.mean()), scatter / math.sqrt(n), scatter, scatter / math.sqrt(2 * (n - 1)))
