"""The driver of a survey: every job ends in a record, and whoever watches is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from steelyard_schemas import ContractError, JobRecord, unpack

from steelyard.cluster.dispatch import Answered, Broke, Dispatch, Lost, Started, Tick
from steelyard.cluster.metrics import SurveyMetrics
from steelyard.cluster.pool import Pool
from steelyard.survey.folder import PlannedJob, SurveyFolder
from steelyard.survey.jobs import failure
from steelyard.survey.tally import Tally, Watcher

__all__ = ["Driver"]


class Driver:
    """Runs a plan on a pool of actors, until all of its jobs have a record.

    Args:
        folder: of the survey.
        pool: of actors that do its jobs.
        watcher: told of every end and of each second.
        attempts: actors that a job may cost.
        room: how many actors the cluster has room for now, if the pool is to grow with it.

    """

    def __init__(
        self,
        folder: SurveyFolder,
        pool: Pool,
        watcher: Watcher,
        *,
        attempts: int,
        room: Callable[[], int] | None = None,
    ) -> None:
        self._folder, self._pool, self._watcher, self._room = folder, pool, watcher, room
        self._dispatch = Dispatch[PlannedJob](pool, lambda job: job.message, attempts)
        self._metrics = SurveyMetrics(folder.path.name)

    def run(self, jobs: Iterator[PlannedJob], total: int, *, still_mine: Callable[[], bool] = lambda: True) -> Tally:
        """Run all jobs that are not finished.

        Args:
            jobs: the plan; read as needed.
            total: their number, for show.
            still_mine: asked every second; the driver stops when it says no.

        Raises:
            ContractError: no worker can be started, or the folder was taken by another driver.

        """
        tally = Tally(total)
        for event in self._dispatch.run(self._unfinished(jobs, tally)):
            match event:
                case Started(job):
                    tally.at_work[job.output] = job.name
                case Answered(job, message):
                    self._ended(job, unpack(message, JobRecord), tally)
                case Broke(job, attempt, reason):
                    self._ended(job, self._recorded(job, attempt, f"worker: {reason}", tally), tally)
                case Lost(job, attempt, reason, again):
                    tally.lost_workers += 1
                    self._metrics.lost()
                    if again:
                        self._watcher.note(f"{job.name}: its worker was lost ({reason}); it goes on elsewhere")
                        del tally.at_work[job.output]
                    else:
                        reason = f"{attempt} workers were lost, the last one so: {reason} (out of memory, perhaps)"
                        self._ended(job, self._recorded(job, attempt, reason, tally), tally)
                case Tick():
                    if not still_mine():
                        raise ContractError(self._folder.path, "was taken over by another driver: this one stops")
                    self._grow(tally)
                    self._tell(tally)
        self._tell(tally)
        return tally

    def _grow(self, tally: Tally) -> None:
        """Use nodes that have joined, as far as there are galaxies for them."""
        if self._room is None:
            return
        before = self._pool.size
        self._pool.grow(min(self._room(), tally.total - tally.done))
        if self._pool.size > before:
            self._watcher.note(f"nodes have joined (workers: {before} before, {self._pool.size} now)")

    def _unfinished(self, jobs: Iterator[PlannedJob], tally: Tally) -> Iterator[PlannedJob]:
        for job in jobs:
            if self._folder.is_finished(job):
                tally.skipped += 1
            else:
                yield job

    def _tell(self, tally: Tally) -> None:
        self._metrics.standing(tally)
        self._watcher.tick(tally)

    def _ended(self, job: PlannedJob, record: JobRecord, tally: Tally) -> None:
        del tally.at_work[job.output]
        setattr(tally, record.status, getattr(tally, record.status) + 1)
        self._metrics.ended(record)
        self._watcher.ended(record, tally)

    def _recorded(self, job: PlannedJob, attempt: int, reason: str, tally: Tally) -> JobRecord:
        record = failure(job.job_id, job.name, reason, attempt)
        try:
            self._folder.write_record(job.output, record)
        except OSError as error:
            tally.unrecorded += 1
            self._watcher.note(f"{job.name}: its failure could not be recorded ({error})")
        return record
