from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner
from vis_gridder.cli.option_groups import with_option_groups


@dataclass(frozen=True)
class Limits:
    low: Annotated[float, typer.Option(help="lowest")]
    high: Annotated[float | None, typer.Option("--top", help="highest")] = None


def test_fields_of_a_group_are_options_of_the_command():
    app, got = typer.Typer(), []

    @app.command()
    @with_option_groups
    def command(name: str, limits: Limits, dry: bool = False) -> None:
        """Say what it does."""
        got.append((name, limits, dry))

    assert CliRunner().invoke(app, ["x", "--low", "1.5", "--top", "2", "--dry"]).exit_code == 0
    assert CliRunner().invoke(app, ["y", "--low", "1"]).exit_code == 0
    assert got == [("x", Limits(1.5, 2.0), True), ("y", Limits(1.0, None), False)]
    assert CliRunner().invoke(app, ["y"]).exit_code == 2, "a field without default is required"
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert "Say what it does." in shown
    assert "highest" in shown
