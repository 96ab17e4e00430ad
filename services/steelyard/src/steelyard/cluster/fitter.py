"""Actor that fits galaxies one after the other and keeps compiled functions and surrogates."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path
from steelyard_schemas import SurveyJob, pack, unpack

from steelyard.compiled import keep_compiled
from steelyard.survey.folder import SurveyFolder
from steelyard.survey.jobs import find_work, run_job
from steelyard.survey.status import worker_name
from steelyard.survey.surrogates import unpack_parts

__all__ = ["FitterSetup", "GalaxyFitter"]


@dataclass(frozen=True)
class FitterSetup:
    """Settings shared by all actors of a survey."""

    survey: str
    """Folder of the survey."""
    data_folder: str
    """Folder where relative data paths start."""
    work: str
    """Function `module:function` that does a job."""
    reports: bool
    """Whether to write a page for each galaxy."""


class GalaxyFitter:
    """Holds loaded modules, compiled functions and surrogates; jobs and records pass as msgpack contracts.

    A plain Python class; the driver turns it into a Ray actor.
    """

    def __init__(self, setup: FitterSetup, surrogates: dict[str, bytes]) -> None:
        self._setup = setup
        self._survey = SurveyFolder(setup.survey)
        if surrogates:
            # Not a temporary folder, which a killed actor would leave behind.
            try:
                shelf = unpack_parts(surrogates, user_cache_path("steelyard") / "surrogates")
            except OSError:  # no home directory, or no space in it
                shelf = self._survey.surrogates
            os.environ["STEELYARD_SURROGATES"] = str(shelf)
        # Restarted and other workers reuse the compiled programs.
        keep_compiled(self._survey.compiled)
        self._work = find_work(setup.work)

    def ready(self) -> str:
        """Return the name of the process once it has started."""
        return worker_name()

    def run(self, message: bytes, attempt: int) -> bytes:
        """Run one packed `SurveyJob` and return its packed `JobRecord`."""
        job = unpack(message, SurveyJob)
        setup = self._setup
        record = run_job(
            self._work, job, self._survey, Path(setup.data_folder), reports=setup.reports, attempt=attempt
        )
        return pack(record)
