"""The command group of `nuker-surrogate`."""

import typer
from steelyard_schemas import GuardedCommands
from typer.core import TyperGroup

from nuker_surrogate.cli.evaluate import ablations, evaluate
from nuker_surrogate.cli.registry import list_versions, publish, show
from nuker_surrogate.cli.train import train


class _Commands(GuardedCommands, TyperGroup):
    """Command group whose errors are one line each."""


app = typer.Typer(
    cls=_Commands,
    help="Neural deprojection of the Nuker law into 64 Gaussians.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(epilog="Example: nuker-surrogate train my-surrogate --version 2.0.0 --head corrected --hidden 128,128")(
    train
)
app.command(epilog="Example: nuker-surrogate evaluate --points 500 --faces 200 --maps errors.png")(evaluate)
app.command(epilog="Example: nuker-surrogate ablations docs/surrogate")(ablations)
app.command(epilog="Example: nuker-surrogate publish my-surrogate --registry s3://bucket/surrogates")(publish)
app.command("list", epilog="Example: nuker-surrogate list --registry s3://bucket/surrogates")(list_versions)
app.command(epilog="Example: nuker-surrogate show 1.1.0")(show)


def main() -> None:
    """Run the `nuker-surrogate` command."""
    app()
