"""The actor that fits galaxies, one after the other, and keeps what they share."""

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
    """What every actor of a survey is told once."""

    survey: str
    data_folder: str
    work: str
    reports: bool


class GalaxyFitter:
    """Holds loaded modules, compiled functions and surrogates; jobs and records pass as msgpack contracts.

    Plain Python: the driver makes a Ray actor of it.
    """

    def __init__(self, setup: FitterSetup, surrogates: dict[str, bytes]) -> None:
        self._setup = setup
        self._survey = SurveyFolder(setup.survey)
        if surrogates:
            # Not a temporary folder: an actor that is killed leaves it behind.
            try:
                shelf = unpack_parts(surrogates, user_cache_path("steelyard") / "surrogates")
            except OSError:  # no home, or no room in it
                shelf = self._survey.surrogates
            os.environ["STEELYARD_SURROGATES"] = str(shelf)
        # A restarted worker, or another one, need not compile the same again.
        keep_compiled(self._survey.compiled)
        self._work = find_work(setup.work)

    def ready(self) -> str:
        """Name the process, once it is up."""
        return worker_name()

    def run(self, message: bytes, attempt: int) -> bytes:
        """Do one packed `SurveyJob`; return its packed `JobRecord`."""
        job = unpack(message, SurveyJob)
        setup = self._setup
        record = run_job(
            self._work, job, self._survey, Path(setup.data_folder), reports=setup.reports, attempt=attempt
        )
        return pack(record)
