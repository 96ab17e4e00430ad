"""Tables and JSON that the commands print on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from steelyard_schemas import plain

if TYPE_CHECKING:
    from steelyard_schemas import TrainingRecord
    from steelyard_schemas.surrogate import ErrorEnvelope


def _console() -> Console:
    """Console that prints text without markup; wide enough for the tables if there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 150, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2))


def print_members(records: Sequence[TrainingRecord], console: Console | None = None) -> None:
    """Print the members of an ensemble, best first: percentiles over laws of the worst relative error over radius."""
    table = Table(title="members of the ensemble, best first: errors in per cent at 50 / 95 / 99 / 100 % of laws")
    for name in ("member", "circular velocity", "surface density", "s"):
        table.add_column(name, justify="left" if name == "member" else "right")
    for record in records:
        if record.reason:
            errors = [plain(record.reason), ""]
        else:
            both = (record.circular_velocity, record.surface_density)
            errors = [" / ".join(f"{100 * x:.2g}" for x in part) for part in both]
        table.add_row(record.name, *errors, f"{record.wall_s:.0f}")
    (console or _console()).print(table)


def print_errors(rows: dict[str, tuple[ErrorEnvelope, ...]], console: Console | None = None) -> None:
    """Print error envelopes in per cent, the methods grouped under each quantity.

    Args:
        rows: envelopes per method, the same quantities in the same order for each.
        console: where to print; standard output by default.
    """
    measured = next(iter(rows.values()))
    if not measured:
        print("this artifact contains no measured errors")
        return
    extent = f"{measured[0].radius_min_pc:g} pc - {measured[0].radius_max_pc:g} pc"
    table = Table(title=f"worst relative error over {extent}, per cent, distribution over laws")
    for name in ("laws", "quantity", "q", "method", "median", "95 %", "99 %", "worst", "worst at"):
        table.add_column(name, justify="left" if name in ("laws", "quantity", "method", "worst at") else "right")
    for same in zip(*rows.values(), strict=True):
        for method, e in zip(rows, same, strict=True):
            where = ", ".join(f"{name} {value:.3g}" for name, value in e.worst_at.items())
            numbers = (f"{100 * x:.3g}" for x in (e.median, e.p95, e.p99, e.worst))
            head = (f"{e.points} {e.n_points}", e.quantity.replace("_", " "), f"{e.q:g}", method)
            table.add_row(*head, *numbers, where)
        if len(rows) > 1:
            table.add_section()
    (console or _console()).print(table)
