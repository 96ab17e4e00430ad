"""Console output of a running survey: a live table on a terminal, a line per galaxy elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from steelyard_schemas import JobRecord, plain

from steelyard.console import plain_console
from steelyard.survey.folder import SurveyFolder
from steelyard.survey.status import JobStatus, read_status
from steelyard.survey.tally import Tally

__all__ = ["SurveyWatch", "status_table"]

MOST_ROWS = 40
PLAIN_SECONDS = 30.0


class SurveyWatch:
    """Watcher that prints driver events to stderr."""

    def __init__(self, folder: SurveyFolder, *, quiet: bool = False) -> None:
        self._folder = folder
        self._console = plain_console(stderr=True, quiet=quiet)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._began = time.monotonic()
        self._said = self._began

    def __enter__(self) -> SurveyWatch:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, line: str) -> None:
        """Print one line."""
        self._console.print(plain(line), soft_wrap=True)

    def ended(self, record: JobRecord, tally: Tally) -> None:
        """Print the outcome of a galaxy."""
        why = f": {record.reason}" if record.reason else ""
        state = record.status.replace("_", " ")
        self.note(f"[{tally.done}/{tally.total}] {record.name} {state} after {record.wall_s:.0f} s{why}")

    def tick(self, tally: Tally) -> None:
        """Refresh the table, or print an occasional line."""
        now = time.monotonic()
        if self._live is None and now - self._said < PLAIN_SECONDS:
            return
        self._said = now
        folders = (self._folder.job_folder(output) for output in list(tally.at_work)[:MOST_ROWS])
        rows = list(read_status(folders))
        line = self._headline(tally)
        if self._live is not None:
            self._live.update(Group(status_table(rows), Text(line)), refresh=True)
            return
        self.note(line)
        for row in rows:
            self.note("  " + " ".join(cell for cell in (row.name, *_cells(row)) if cell))

    def _headline(self, tally: Tally) -> str:
        fresh = tally.done - tally.skipped
        left = tally.total - tally.done
        eta = ""
        if fresh and left:
            eta = f", about {_duration((time.monotonic() - self._began) / fresh * left)} left"
        lost = f", {tally.lost_workers} workers lost" if tally.lost_workers else ""
        return (
            f"{tally.done} of {tally.total} done ({tally.converged} converged, {tally.not_converged} not, "
            f"{tally.failed} failed, {tally.skipped} from before){lost}{eta}"
        )


def status_table(rows: list[JobStatus]) -> Table:
    """Build the table of the galaxies at work."""
    table = Table(box=None, header_style="bold")
    for column in ("galaxy", "stage", "step", "acceptance", "R-hat", "ESS", "ETA", "worker"):
        table.add_column(column, justify="left" if column in ("galaxy", "stage", "worker") else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(plain, (row.name, *_cells(row), row.worker)))
    return table


def _cells(row: JobStatus) -> tuple[str, ...]:
    return (
        row.stage,
        "" if row.step is None else f"{row.step}/{row.total}",
        "" if row.acceptance is None else f"{row.acceptance:.2f}",
        "" if row.rhat is None else f"{row.rhat:.3f}",
        "" if row.ess is None else f"{row.ess:.0f}",
        "" if row.seconds_left is None else _duration(row.seconds_left),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
