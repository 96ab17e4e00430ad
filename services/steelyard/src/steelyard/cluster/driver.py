"""The driver of a survey: hand out jobs no faster than they come back, and lose none."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ray
from steelyard_schemas import ContractError, JobRecord, unpack

from steelyard.cluster.metrics import SurveyMetrics
from steelyard.cluster.pool import Pool, why_lost
from steelyard.survey.folder import PlannedJob, SurveyFolder
from steelyard.survey.jobs import failure
from steelyard.survey.tally import Tally, Watcher

__all__ = ["Driver"]

TICK_S = 1.0


class _Flight(NamedTuple):
    job: PlannedJob
    attempt: int
    actor: Any


class Driver:
    """Keeps each actor of a pool at one job, in the order of the plan, until all jobs have a record."""

    def __init__(self, folder: SurveyFolder, pool: Pool, watcher: Watcher, *, attempts: int = 4) -> None:
        self._folder, self._pool, self._watcher, self._attempts = folder, pool, watcher, attempts
        self._flying: dict[Any, _Flight] = {}
        self._again: deque[tuple[PlannedJob, int]] = deque()
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
        tally, ticked, drained = Tally(total), time.monotonic(), False
        while True:
            while self._pool.idle:
                following = self._next(jobs, tally)
                drained = following is None
                if following is None:
                    break
                self._submit(*following, tally)
            if drained and not self._flying and not self._again:
                break
            # Back-pressure: nothing more is handed out until something comes back.
            ready, _ = ray.wait([*self._flying, *self._pool.starting], num_returns=1, timeout=TICK_S)
            for ref in ready:
                if ref in self._flying:
                    self._land(ref, tally)
                else:
                    self._pool.arrived(ref)
            if (now := time.monotonic()) - ticked >= TICK_S:
                ticked = now
                if not still_mine():
                    raise ContractError(self._folder.path, "was taken over by another driver: this one stops")
                self._metrics.standing(tally)
                self._watcher.tick(tally)
        self._pool.close()
        self._metrics.standing(tally)
        self._watcher.tick(tally)
        return tally

    def _next(self, jobs: Iterator[PlannedJob], tally: Tally) -> tuple[PlannedJob, int] | None:
        """Return the next job and which attempt at it this is: those whose worker was lost come first."""
        if self._again:
            return self._again.popleft()
        for job in jobs:
            if not self._folder.is_finished(job):
                return job, 1
            tally.skipped += 1
        return None

    def _submit(self, job: PlannedJob, attempt: int, tally: Tally) -> None:
        actor = self._pool.idle.pop()
        self._flying[actor.run.remote(job.message, attempt)] = _Flight(job, attempt, actor)
        tally.at_work[job.output] = job.name

    def _land(self, ref: Any, tally: Tally) -> None:
        flight = self._flying.pop(ref)
        job = flight.job
        try:
            record = unpack(ray.get(ref), JobRecord)
            self._pool.idle.append(flight.actor)
        except ray.exceptions.RayTaskError as error:  # a fault of ours, not of the galaxy; the actor lives
            self._pool.idle.append(flight.actor)
            record = self._recorded(job, flight.attempt, f"worker: {why_lost(error)}", tally)
        except ray.exceptions.RayError as error:
            tally.lost_workers += 1
            self._metrics.lost()
            self._pool.replace(flight.actor)
            reason = why_lost(error)
            if flight.attempt < self._attempts:
                self._watcher.note(f"{job.name}: its worker was lost ({reason}); it goes on elsewhere")
                self._again.append((job, flight.attempt + 1))
                del tally.at_work[job.output]
                return
            reason = f"{flight.attempt} workers were lost, the last one so: {reason} (out of memory, perhaps)"
            record = self._recorded(job, flight.attempt, reason, tally)
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
