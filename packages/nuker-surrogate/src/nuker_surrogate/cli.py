"""Command line: train, evaluate, list and show surrogates. `steelyard surrogate` mounts `app`."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from steelyard_schemas import ContractError

from nuker_surrogate import terminal
from nuker_surrogate.artifact import check_version, load_surrogate, shipped_versions

app = typer.Typer(
    help="Neural deprojection of the Nuker law into 64 Gaussians.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Artifact = Annotated[
    str | None, typer.Argument(help="Version shipped, or path of an artifact; the newest if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.command(epilog="Example: nuker-surrogate train my-surrogate --version 2.0.0 --hidden 128,128")
def train(
    out: Annotated[Path, typer.Argument(help="Folder to write the artifact to; must not exist.")],
    version: Annotated[str, typer.Option(help="Semantic version of the artifact.")] = "0.1.0",
    head: Annotated[str, typer.Option(help="symexp (the paper's), normalised or corrected.")] = "corrected",
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "64,64,64",
    examples: Annotated[int, typer.Option(help="Laws to train on.")] = 60_000,
    label_steps: Annotated[int, typer.Option(help="Steps on least-squares labels.")] = 12_000,
    loss_steps: Annotated[int, typer.Option(help="Steps on the errors themselves.")] = 30_000,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    points: Annotated[int, typer.Option(help="Fresh laws to measure the errors on.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of laws, weights and batches.")] = 0,
    json: Json = False,
) -> None:
    """Train a surrogate, measure it against the exact deprojection, write it as an artifact."""
    # The training libraries take a second to import; the other commands do without.
    from nuker_surrogate.release import release
    from nuker_surrogate.train import TrainingConfig
    from nuker_surrogate.train import train as run

    check_version(version)  # before the minutes of training, not after
    if out.exists():
        raise ContractError(out, "exists already; choose another name")
    try:
        widths = tuple(int(width) for width in hidden.split(","))
    except ValueError as error:
        raise ValueError(f"--hidden is {hidden!r}, expected widths such as 128,128") from error
    config = TrainingConfig(
        head=head,  # type: ignore[arg-type]  # TrainingConfig checks it and says what is expected
        hidden=widths,
        examples=examples,
        label_steps=label_steps,
        loss_steps=loss_steps,
        learning_rate=learning_rate,
        seed=seed,
    )
    with terminal.progress_lines() as advance:
        trained = run(config, lambda s, i, n, a, b: advance(s, i, n, f"loss {a:.2e}, held out {b:.2e}"))
        manifest = release(out, version, trained, points, lambda i, n: advance("measuring", i, n, ""))
    if json:
        terminal.print_json(manifest.model_dump(mode="json"))
    else:
        terminal.print_errors({f"surrogate {version}": manifest.errors})
        print(f"written to {out}")


@app.command(epilog="Example: nuker-surrogate evaluate --points 500 --faces 200")
def evaluate(
    artifact: Artifact = None,
    points: Annotated[int, typer.Option(help="Laws uniform in the domain.")] = 500,
    faces: Annotated[int, typer.Option(help="Laws on its faces, edges and corners.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the laws.")] = 1,
    json: Json = False,
) -> None:
    """Errors against the exact deprojection, beside a ridge projector and the floor that 64 Gaussians allow."""
    from nuker_surrogate.compare import compare

    surrogate = load_surrogate(artifact)
    with terminal.progress_lines() as advance:
        table = compare(surrogate, points, faces, seed, lambda i, n: advance("deprojecting", i, n, ""))
    if json:
        terminal.print_json({route: [e.model_dump(mode="json") for e in rows] for route, rows in table.items()})
    else:
        terminal.print_errors(table)


@app.command("list", epilog="Example: nuker-surrogate list --json")
def list_versions(json: Json = False) -> None:
    """Versions shipped with this package, oldest first."""
    if json:
        terminal.print_json(list(shipped_versions()))
    else:
        for version in shipped_versions():
            print(version)


@app.command(epilog="Example: nuker-surrogate show 1.0.0")
def show(artifact: Artifact = None, json: Json = False) -> None:
    """Domain, training and measured errors of a surrogate, after checking its hashes."""
    manifest = load_surrogate(artifact).manifest
    if json:
        terminal.print_json(manifest.model_dump(mode="json"))
        return
    print(f"surrogate {manifest.version}: {manifest.head} head, hidden layers {manifest.hidden}")
    print(f"made {manifest.created_utc} by nuker-surrogate {manifest.code_version}")
    for name, interval in manifest.domain:
        print(f"  {name.replace('_minus_', ' - '):14} {interval.low:g} to {interval.high:g}")
    sigma = np.array(manifest.sigma_pc)
    print(f"  {sigma.size} Gaussians of width {sigma[0]:g} to {sigma[-1]:g} pc")
    print("trained with " + ", ".join(f"{key} {value}" for key, value in manifest.training.items()))
    terminal.print_errors({f"surrogate {manifest.version}": manifest.errors})


def main() -> None:
    """Entry point: one clear line and a non-zero exit on bad input."""
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"nuker-surrogate: {error}", file=sys.stderr)
        sys.exit(1)
