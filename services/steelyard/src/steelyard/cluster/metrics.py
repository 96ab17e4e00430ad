"""What Ray exports to Prometheus about a survey."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram
from steelyard_schemas import JobRecord

from steelyard.survey.tally import Tally

__all__ = ["SurveyMetrics"]

MINUTES = [0.1, 0.5, 1, 2, 5, 10, 20, 60, 180, 720]


class SurveyMetrics:
    """Counters of the driver; Ray prefixes their names with `ray_`."""

    def __init__(self) -> None:
        self._ended = Counter("steelyard_jobs", "Galaxies that ended, by outcome", tag_keys=("status",))
        self._left = Gauge("steelyard_jobs_left", "Galaxies still to do")
        self._working = Gauge("steelyard_jobs_at_work", "Galaxies that a worker has in hand")
        self._lost = Counter("steelyard_workers_lost", "Workers that died with a galaxy in hand")
        self._seconds = Histogram(
            "steelyard_job_seconds", "Wall time of one galaxy", boundaries=[60 * m for m in MINUTES]
        )

    def ended(self, record: JobRecord) -> None:
        """Count a job."""
        self._ended.inc(tags={"status": record.status})
        self._seconds.observe(record.wall_s)

    def lost(self) -> None:
        """Count a worker's death."""
        self._lost.inc()

    def standing(self, tally: Tally) -> None:
        """Tell how much is left."""
        self._left.set(tally.total - tally.done)
        self._working.set(len(tally.at_work))
