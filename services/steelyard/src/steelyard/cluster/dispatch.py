"""Dispatch of jobs to a pool of actors, with back-pressure and without losing jobs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ray

from steelyard.cluster.pool import Pool, why_lost

__all__ = ["Answered", "Broke", "Dispatch", "Event", "Lost", "Started", "Tick"]

TICK_S = 1.0


class Started[J](NamedTuple):
    """A job was given to an actor."""

    job: J


class Answered[J](NamedTuple):
    """An actor finished a job."""

    job: J
    message: bytes


class Broke[J](NamedTuple):
    """An actor raised an exception: a fault of the program, not of the job. The actor survives."""

    job: J
    attempt: int
    reason: str


class Lost[J](NamedTuple):
    """An actor died during a job; another one gets the job unless it has used up its attempts."""

    job: J
    attempt: int
    reason: str
    again: bool


class Tick(NamedTuple):
    """A second has passed."""


type Event[J] = Started[J] | Answered[J] | Broke[J] | Lost[J] | Tick


class _Flight[J](NamedTuple):
    job: J
    attempt: int
    actor: Any


class Dispatch[J]:
    """Gives each actor of a pool one job at a time, in the given order, until all jobs are answered.

    Args:
        pool: actors whose `run(message, attempt)` returns a message.
        message: function that packs a job for an actor.
        attempts: maximum number of actors that a job may kill.

    """

    def __init__(self, pool: Pool, message: Callable[[J], bytes], attempts: int) -> None:
        self._pool, self._message, self._attempts = pool, message, attempts
        self._flying: dict[Any, _Flight[J]] = {}
        self._again: deque[tuple[J, int]] = deque()

    def run(self, jobs: Iterator[J]) -> Iterator[Event[J]]:
        """Yield events as they happen; jobs are read as needed.

        Raises:
            ContractError: no actor can be started.

        """
        ticked, drained = time.monotonic(), False
        while True:
            while self._pool.idle:
                following = self._next(jobs)
                drained = following is None
                if following is None:
                    break
                yield self._submit(*following)
            if drained and not self._flying and not self._again:
                break
            # Back-pressure: no more jobs are submitted until one comes back.
            ready, _ = ray.wait([*self._flying, *self._pool.starting], num_returns=1, timeout=TICK_S)
            for ref in ready:
                if ref in self._flying:
                    yield self._land(ref)
                else:
                    self._pool.arrived(ref)
            if (now := time.monotonic()) - ticked >= TICK_S:
                ticked = now
                yield Tick()
        self._pool.close()

    def _next(self, jobs: Iterator[J]) -> tuple[J, int] | None:
        """Return the next job and its attempt number; jobs whose actor was lost come first."""
        if self._again:
            return self._again.popleft()
        job = next(jobs, None)
        return None if job is None else (job, 1)

    def _submit(self, job: J, attempt: int) -> Started[J]:
        actor = self._pool.idle.pop()
        self._flying[actor.run.remote(self._message(job), attempt)] = _Flight(job, attempt, actor)
        return Started(job)

    def _land(self, ref: Any) -> Answered[J] | Broke[J] | Lost[J]:
        job, attempt, actor = self._flying.pop(ref)
        try:
            message = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            self._pool.idle.append(actor)
            return Broke(job, attempt, why_lost(error))
        except ray.exceptions.RayError as error:
            self._pool.replace(actor)
            again = attempt < self._attempts
            if again:
                self._again.append((job, attempt + 1))
            return Lost(job, attempt, why_lost(error), again)
        self._pool.idle.append(actor)
        return Answered(job, message)
