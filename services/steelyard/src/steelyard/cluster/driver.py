"""Driver of a survey: every job ends in a record, and a watcher receives the events."""

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
    """Runs a plan on a pool of actors until every job has a record.

    Args:
        folder: folder of the survey.
        pool: actors that do the jobs.
        watcher: receives every finished job and a tick each second.
        attempts: maximum number of actors that a job may kill.
        room: function returning the number of actors the cluster has room for; None keeps the pool fixed.

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
            jobs: planned jobs, read as needed.
            total: number of jobs, for display.
            still_mine: called every second; the driver stops when it returns false.

        Returns:
            Counts of the jobs by outcome.

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
                        self._watcher.note(f"{job.name}: its worker was lost ({reason}); another worker continues")
                        del tally.at_work[job.output]
                    else:
                        reason = f"{attempt} workers were lost, the last with: {reason} (possibly out of memory)"
                        self._ended(job, self._recorded(job, attempt, reason, tally), tally)
                case Tick():
                    if not still_mine():
                        raise ContractError(self._folder.path, "was taken over by another driver; this driver stops")
                    self._grow(tally)
                    self._tell(tally)
        self._tell(tally)
        return tally

    def _grow(self, tally: Tally) -> None:
        """Start workers on nodes that have joined, as far as there are galaxies left."""
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
