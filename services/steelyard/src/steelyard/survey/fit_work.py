"""Work function of a survey: one fit."""

from __future__ import annotations

from warnings import catch_warnings, simplefilter

from steelyard_schemas import SurveyJob

from steelyard.fitting.run import fit
from steelyard.survey.identity import draws_hash
from steelyard.survey.jobs import JobPlace, Outcome

__all__ = ["fit_galaxy"]


def fit_galaxy(job: SurveyJob, place: JobPlace) -> Outcome:
    """Fit one galaxy in its folder, resuming an earlier fit, and write its report."""
    posterior = fit(
        job.galaxy,
        place.folder,
        base=place.data_folder,
        progress=place.status.progress,
        note=place.status.note,
    )
    manifest = posterior.manifest
    told = list(manifest.quality.warnings)
    if place.reports:
        from steelyard.report import ReportWarning, report_or_warning

        place.status.note("writing the report")
        with catch_warnings(record=True) as caught:
            simplefilter("always", ReportWarning)
            report_or_warning(place.folder)
        told += [str(warning.message) for warning in caught if issubclass(warning.category, ReportWarning)]
    warnings = "; ".join(told) or None
    return Outcome(
        status="converged" if manifest.converged else "not_converged",
        reason=warnings if manifest.converged else warnings or "the run was not complete",
        posterior_hash=manifest.content_hash,
        draws_hash=draws_hash(posterior),
    )
