"""Status of a job, written by its worker to a small file that any process can read."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard_schemas import atomic_path, read_json

if TYPE_CHECKING:
    import sampler

__all__ = ["STATUS_FILE", "JobStatus", "StatusWriter", "read_status", "worker_name"]

STATUS_FILE = "status.json"
STATUS_SECONDS = 2.0
"""Minimum interval between writes [s]: a hundred workers then write fifty small files per second."""


@dataclass(frozen=True)
class JobStatus:
    """Status of a running job; None for unknown values."""

    name: str
    stage: str
    worker: str
    updated_unix_s: float
    step: int | None = None
    total: int | None = None
    acceptance: float | None = None
    rhat: float | None = None
    ess: float | None = None
    seconds_left: float | None = None


class StatusWriter:
    """Writes the progress of one job to a file, at most every two seconds; write errors are ignored."""

    def __init__(self, path: Path, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._name, self._clock = path, name, clock
        self._worker = worker_name()
        self._last = -float("inf")

    def note(self, line: str) -> None:
        """Record the start of a stage."""
        self._write(JobStatus(self._name, line, self._worker, time.time()))

    def step(self, stage: str, done: int, total: int) -> None:
        """Record the progress of a stage."""
        if self._is_due():
            self._write(JobStatus(self._name, stage, self._worker, time.time(), done, total))

    def progress(self, at: sampler.Progress) -> None:
        """Record the progress of the sampler."""
        if not self._is_due():
            return
        self._write(
            JobStatus(
                self._name,
                at.phase,
                self._worker,
                time.time(),
                at.step,
                at.total,
                at.acceptance,
                at.rhat,
                at.min_ess,
                at.seconds_left,
            )
        )

    def close(self) -> None:
        """Remove the file; the record of the job holds the outcome."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _is_due(self) -> bool:
        return self._clock() - self._last >= STATUS_SECONDS

    def _write(self, status: JobStatus) -> None:
        self._last = self._clock()
        with suppress(OSError), atomic_path(self._path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(asdict(status)))


def read_status(folders: Iterator[Path]) -> Iterator[JobStatus]:
    """Yield the status of the jobs at work in the given folders."""
    known = {field.name for field in fields(JobStatus)}
    for folder in folders:
        with suppress(OSError, ValueError, TypeError):
            told = read_json(folder / STATUS_FILE)
            yield JobStatus(**{name: value for name, value in told.items() if name in known})


def worker_name() -> str:
    """Return host name and process number."""
    return f"{socket.gethostname()}:{os.getpid()}"
