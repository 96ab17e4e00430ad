"""How a survey stands, and whom its driver tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from steelyard_schemas import JobRecord

__all__ = ["Tally", "Watcher"]


@dataclass
class Tally:
    """How a survey stands."""

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
        """Jobs that need nothing more, those of earlier runs included."""
        return self.skipped + self.converged + self.not_converged + self.failed


class Watcher(Protocol):
    """Whom the driver tells."""

    def ended(self, record: JobRecord, tally: Tally) -> None:
        """Take a job's end."""

    def note(self, line: str) -> None:
        """Take a line of news."""

    def tick(self, tally: Tally) -> None:
        """Take a second's passing."""
