"""Command line: `vis-gridder info`, `grid`, `convert`."""

from __future__ import annotations

import typer
from steelyard_schemas import GuardedCommands
from typer.core import TyperGroup

from vis_gridder.cli.console import printed_warnings
from vis_gridder.cli.conversion import convert
from vis_gridder.cli.gridding import grid_command
from vis_gridder.cli.summary import info

__all__ = ["app", "convert", "grid_command", "info", "main", "printed_warnings"]


class _Commands(GuardedCommands, TyperGroup):
    """All commands, guarded against errors outside them."""


app = typer.Typer(
    cls=_Commands,
    help="Read interferometric visibilities, measure their noise and grid them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("info")(info)
app.command("grid")(grid_command)
app.command("convert")(convert)


def main() -> None:
    """Run the command line."""
    app()
