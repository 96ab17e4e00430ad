"""Console output of the commands: progress, notes, errors."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from steelyard_schemas import one_line_errors, plain

if TYPE_CHECKING:
    import sampler

__all__ = [
    "NOT_CONVERGED",
    "FitProgress",
    "one_line_errors",
    "plain_console",
    "print_json",
    "report_warnings",
    "say",
]

NOT_CONVERGED = 3
"""Exit code of a command that finished but whose numbers must not be quoted; 2 means a wrong command line."""
PLAIN_SECONDS = 15.0
"""Interval [s] between progress lines where there is no terminal for a bar."""


def plain_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that prints text verbatim: no markup, no emoji codes, no coloured numbers."""
    return Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)


def say(text: object) -> None:
    """Print one line of results; control characters in external text are neutralised."""
    print(plain(text))


class FitProgress:
    """Progress of a fit: one bar per stage on a terminal, occasional plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        # Errors and progress go to stderr, so that stdout contains only results.
        self.console = plain_console(stderr=True, quiet=quiet)
        columns = (
            TextColumn("{task.description:<9}", markup=False),
            BarColumn(20),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeRemainingColumn(),
        )
        self._bars = Progress(*columns, console=self.console, transient=False)
        self._tasks: dict[str, Any] = {}
        self._last: dict[str, float] = {}

    def __enter__(self) -> FitProgress:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:  # otherwise stopping prints an empty line
            self._bars.stop()

    def note(self, line: str) -> None:
        """Print one line."""
        self.console.print(plain(line), soft_wrap=True)

    def __call__(self, progress: sampler.Progress) -> None:
        """Show the progress of the sampler."""
        facts = _facts(progress)
        if self.console.is_terminal:
            if progress.phase not in self._tasks:
                self._tasks[progress.phase] = self._bars.add_task(progress.phase, total=progress.total, facts="")
            self._bars.update(self._tasks[progress.phase], completed=progress.step, facts=facts)
            return
        now = time.monotonic()
        if now - self._last.get(progress.phase, -PLAIN_SECONDS) >= PLAIN_SECONDS:
            self._last[progress.phase] = now
            left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
            self.note(f"{progress.phase} {progress.step}/{progress.total}: {facts}{left}")


def _facts(progress: sampler.Progress) -> str:
    facts = []
    if progress.acceptance is not None:
        facts.append(f"acc {progress.acceptance:.2f}")
    if progress.jump_acceptance is not None:
        facts.append(f"jumps {progress.jump_acceptance:.2f}")
    if progress.rhat is not None:
        facts.append(f"R-hat {progress.rhat:.3f}")
    if progress.min_ess is not None:
        facts.append(f"ESS {progress.min_ess:.0f}")
    if not facts and progress.log_density is not None:
        facts.append(f"log p {progress.log_density:.1f}")
    if progress.gradients_per_second is not None:
        facts.append(f"{progress.gradients_per_second:.1f} grad/s")
    return " ".join(facts)


class Noted(Protocol):
    """Interface of objects that print progress lines."""

    def note(self, line: str) -> None:
        """Print one line."""


@contextmanager
def report_warnings(progress: Noted) -> Iterator[None]:
    """Print each warning once as a plain line, without Python's source line."""
    told: set[str] = set()

    def tell(message: Warning | str, *_args: object, **_kwargs: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            progress.note(f"warning: {message}")

    with warnings.catch_warnings():
        # By default Python shows a warning once per code location, and not at all under -W ignore.
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
        yield


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(value, indent=2))
