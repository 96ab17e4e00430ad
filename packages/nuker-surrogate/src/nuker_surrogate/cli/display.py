"""Display of progress on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nuker_surrogate.progress import Advance


@contextmanager
def progress_lines(lines: int = 10) -> Iterator[Advance]:
    """Show progress on stderr: bars on a terminal, elsewhere about `lines` plain lines per stage."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def line(stage: str, done: int, total: int, note: str) -> None:
            every = max(1, total // lines)
            if done == total or done // every > (done - 1) // every:
                print(f"{stage} {done}/{total} {note}".rstrip(), file=sys.stderr, flush=True)

        yield line
        return
    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def bar(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note="")
            bars.update(tasks[stage], completed=done, note=note)

        yield bar
