"""What the commands print: progress, tables, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from steelyard_schemas import TrainingRecord, plain
from steelyard_schemas.surrogate import ErrorEnvelope

if TYPE_CHECKING:
    from nuker_surrogate.training.ensemble import Advance


@contextmanager
def progress_lines(lines: int = 10) -> Iterator[Advance]:
    """Show progress on stderr: bars on a terminal, elsewhere about `lines` plain lines per stage."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def plain(stage: str, done: int, total: int, note: str) -> None:
            every = max(1, total // lines)
            if done == total or done // every > (done - 1) // every:
                print(f"{stage} {done}/{total} {note}".rstrip(), file=sys.stderr, flush=True)

        yield plain
        return
    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def bar(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note="")
            bars.update(tasks[stage], completed=done, note=note)

        yield bar


def training_progress(advance: Advance) -> Callable[[str, int, int, float | None, float | None], None]:
    """Tell the progress of `train.train` through `advance`."""

    def tell(stage: str, done: int, total: int, loss: float | None, held_out: float | None) -> None:
        note = "" if loss is None or held_out is None else f"loss {loss:.2e}, held out {held_out:.2e}"
        advance(stage, done, total, note)

    return tell


def _console() -> Console:
    """Return a console that prints text as it is; wide enough for the tables where there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 150, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2))


def print_members(records: Sequence[TrainingRecord], console: Console | None = None) -> None:
    """Table of an ensemble, best member first: worst relative errors over radius at percentiles of the laws."""
    table = Table(
        title="members of the ensemble, the first is kept: errors in per cent at 50 / 95 / 99 / 100 % of laws"
    )
    for name in ("member", "circular velocity", "surface density", "s"):
        table.add_column(name, justify="left" if name == "member" else "right")
    for record in records:
        errors = (
            [
                " / ".join(f"{100 * x:.2g}" for x in part)
                for part in (record.circular_velocity, record.surface_density)
            ]
            if not record.reason
            else [plain(record.reason), ""]
        )
        table.add_row(record.name, *errors, f"{record.wall_s:.0f}")
    (console or _console()).print(table)


def print_errors(rows: dict[str, tuple[ErrorEnvelope, ...]], console: Console | None = None) -> None:
    """Table of error envelopes, in per cent; the routes side by side under each quantity."""
    measured = next(iter(rows.values()))
    if not measured:
        print("its errors were not measured")
        return
    extent = f"{measured[0].radius_min_pc:g} pc - {measured[0].radius_max_pc:g} pc"
    table = Table(title=f"worst relative error over {extent}, per cent, distribution over laws")
    for name in ("laws", "quantity", "q", "route", "median", "95 %", "99 %", "worst", "worst at"):
        table.add_column(name, justify="left" if name in ("laws", "quantity", "route", "worst at") else "right")
    for same in zip(*rows.values(), strict=True):
        for route, e in zip(rows, same, strict=True):
            where = ", ".join(f"{name} {value:.3g}" for name, value in e.worst_at.items())
            numbers = (f"{100 * x:.3g}" for x in (e.median, e.p95, e.p99, e.worst))
            head = (f"{e.points} {e.n_points}", e.quantity.replace("_", " "), f"{e.q:g}", route)
            table.add_row(*head, *numbers, where)
        if len(rows) > 1:
            table.add_section()
    (console or _console()).print(table)
