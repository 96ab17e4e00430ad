"""Counts of a survey, and the watcher that receives driver events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from steelyard_schemas import JobRecord

__all__ = ["Tally", "Watcher"]


@dataclass
class Tally:
    """Counts of a survey's jobs by outcome."""

    total: int
    skipped: int = 0
    converged: int = 0
    not_converged: int = 0
    failed: int = 0
    lost_workers: int = 0
    unrecorded: int = 0
    at_work: dict[str, str] = field(default_factory=dict)
    """Names of the galaxies at work, by output."""

    @property
    def done(self) -> int:
        """Number of finished jobs, including those of earlier runs."""
        return self.skipped + self.converged + self.not_converged + self.failed


class Watcher(Protocol):
    """Receives driver events."""

    def ended(self, record: JobRecord, tally: Tally) -> None:
        """Receive the record of a finished job."""

    def note(self, line: str) -> None:
        """Receive a message line."""

    def tick(self, tally: Tally) -> None:
        """Receive the counts, once per second."""
