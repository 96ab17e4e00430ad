"""Survey metrics that Ray exports to Prometheus."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram
from steelyard_schemas import JobRecord

from steelyard.survey.tally import Tally

__all__ = ["SurveyMetrics"]

MINUTES = [0.1, 0.5, 1, 2, 5, 10, 20, 60, 180, 720]


class SurveyMetrics:
    """Metrics of one survey's driver; Ray prefixes their names with `ray_`."""

    def __init__(self, survey: str) -> None:
        self._tags = {"survey": survey}  # a cluster may serve several
        own = ("survey",)
        self._ended = Counter("steelyard_jobs", "Finished galaxies by outcome", tag_keys=("survey", "status"))
        self._left = Gauge("steelyard_jobs_left", "Galaxies still to do", tag_keys=own)
        self._working = Gauge("steelyard_jobs_at_work", "Galaxies being fitted", tag_keys=own)
        self._lost = Counter("steelyard_workers_lost", "Workers that died during a fit", tag_keys=own)
        self._seconds = Histogram(
            "steelyard_job_seconds", "Wall time of one galaxy", boundaries=[60 * m for m in MINUTES], tag_keys=own
        )

    def ended(self, record: JobRecord) -> None:
        """Count a finished job and its wall time."""
        self._ended.inc(tags={**self._tags, "status": record.status})
        self._seconds.observe(record.wall_s, tags=self._tags)

    def lost(self) -> None:
        """Count a lost worker."""
        self._lost.inc(tags=self._tags)

    def standing(self, tally: Tally) -> None:
        """Set the numbers of galaxies left and at work."""
        self._left.set(tally.total - tally.done, tags=self._tags)
        self._working.set(len(tally.at_work), tags=self._tags)
