"""Progress and warnings on the terminal."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from steelyard_schemas import ContractError, plain, vacant

from vis_gridder.stream.history import DataWarning

__all__ = ["file_names", "printed_warnings", "progress_of", "refuse_existing"]


@contextmanager
def progress_of(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback for (done, total): a progress bar on a terminal, otherwise one plain line at the end."""
    label, console = plain(label), Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    start = time.perf_counter()
    yield lambda done, total: None
    print(f"{label}: {time.perf_counter() - start:.1f} s", file=sys.stderr)


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Print warnings about the data as lines, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        try:
            yield
        finally:
            # An oddity of the data often explains the error that ends the command.
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print(f"warning: {plain(message)}", file=sys.stderr)


def file_names(files: Sequence[Path]) -> str:
    """Return the names of files for messages, joined by plus signs."""
    return " + ".join(file.name for file in files)


def refuse_existing(*targets: Path | None, overwrite: bool) -> None:
    """Raise ContractError if a target exists and may not be overwritten."""
    for target in targets:
        if target is not None and not (overwrite or vacant(target)):
            raise ContractError(target, "exists already; choose another name or give --overwrite")
