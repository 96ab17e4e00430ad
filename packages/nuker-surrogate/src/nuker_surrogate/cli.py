"""Command line: train, evaluate, publish, list and show surrogates. `steelyard surrogate` mounts `app`."""

import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from steelyard_schemas import ContractError, GuardedCommands, plain
from typer.core import TyperGroup

from nuker_surrogate import terminal
from nuker_surrogate.artifact import check_version, in_order, load_surrogate, shipped_versions


class _Commands(GuardedCommands, TyperGroup):
    """All commands behind one guard."""


app = typer.Typer(
    cls=_Commands,
    help="Neural deprojection of the Nuker law into 64 Gaussians.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Artifact = Annotated[str | None, typer.Argument(help="Version or path; the newest of 64 Gaussians if left out.")]
Registry = Annotated[
    str | None,
    typer.Option(help="Path or URL (s3://..., gs://...) of a registry; by default that of STEELYARD_SURROGATES."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.command(epilog="Example: nuker-surrogate train my-surrogate --version 2.0.0 --head corrected --hidden 128,128")
def train(
    out: Annotated[Path, typer.Argument(help="Folder to write the artifact to; must not exist.")],
    version: Annotated[str, typer.Option(help="Semantic version of the artifact.")] = "0.1.0",
    head: Annotated[
        list[str] | None,
        typer.Option(help="linear (default), corrected (by a network), normalised, symexp (the paper's) or direct."),
    ] = None,
    n_sigma: Annotated[int, typer.Option(help="Number of Gaussians.")] = 64,
    smallest_pc: Annotated[float, typer.Option(help="Width of the narrowest [pc].")] = 1.0,
    largest_pc: Annotated[float, typer.Option(help="Width of the widest [pc].")] = 1e4,
    hidden: Annotated[
        list[str] | None, typer.Option(help="Widths of the network's hidden layers; 64,64,64 by default.")
    ] = None,
    linear_examples: Annotated[int, typer.Option(help="Laws that the linear map is solved on.")] = 40_000,
    examples: Annotated[int, typer.Option(help="Laws that the network is trained on.")] = 60_000,
    label_steps: Annotated[int, typer.Option(help="Steps on least-squares labels.")] = 12_000,
    loss_steps: Annotated[int, typer.Option(help="Steps on the errors themselves.")] = 30_000,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    points: Annotated[int, typer.Option(help="Fresh laws to measure the errors on.", min=1)] = 2000,
    seed: Annotated[list[int] | None, typer.Option(help="Seed of laws, weights and batches; 0 by default.")] = None,
    choose_on: Annotated[int, typer.Option(help="Laws that members of an ensemble are compared on.", min=1)] = 500,
    workers: Annotated[
        int | None, typer.Option(help="Train so many members at a time, on Ray; one by one if left out.", min=1)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster that sees OUT; this machine if left out.")
    ] = None,
    registry: Annotated[str | None, typer.Option(help="Publish the artifact in this registry, path or URL.")] = None,
    json: Json = False,
) -> None:
    """Train a surrogate, measure it against the exact deprojection, write it as an artifact.

    With --head, --hidden or --seed given several times, all combinations are trained, and the one whose circular
    velocities are best on laws that none has seen is kept. What is done so far stays in OUT.training: after an
    interruption, or on another node after the loss of one, the same command goes on.
    """
    # The training libraries take a second to import; the other commands do without.
    from nuker_surrogate import ensemble
    from nuker_surrogate.registry import publish_once, published_versions
    from nuker_surrogate.release import release, released_before
    from nuker_surrogate.train import TrainingConfig

    check_version(version)  # before the minutes of training, not after
    base = TrainingConfig(
        n_sigma=n_sigma,
        smallest_pc=smallest_pc,
        largest_pc=largest_pc,
        linear_examples=linear_examples,
        examples=examples,
        label_steps=label_steps,
        loss_steps=loss_steps,
        learning_rate=learning_rate,
    )
    chosen = ensemble.members(
        base, head or ["linear"], [_widths(text) for text in hidden or ["64,64,64"]], seed or [0]
    )
    together = workers is not None or address is not None
    trainer = ensemble.side_by_side(workers, address) if together else ensemble.one_by_one
    folder = out.with_name(f"{out.name}.training")
    # Its folder goes last: where both are there, this command was stopped after the artifact was written.
    before = released_before(out, version, chosen, points) if folder.exists() else None
    if out.exists() and before is None:
        raise ContractError(out, "exists already; choose another name")
    if registry is not None and before is None and version in published_versions(registry):
        raise ContractError(f"surrogate {version}", f"exists already in {registry}: choose a higher --version")
    with terminal.progress_lines() as advance:
        if len(chosen) > 1 or together:
            trained, records = ensemble.train_ensemble(folder, chosen, choose_on, advance, trainer)
        else:
            trained, records = ensemble.train_alone(folder, chosen[0], terminal.training_progress(advance)), ()
        manifest = before or release(out, version, trained, points, lambda i, n: advance("measuring", i, n, ""))
    if registry is not None:
        publish_once(out, registry)
    shutil.rmtree(folder, ignore_errors=True)
    if json:
        terminal.print_json(
            manifest.model_dump(mode="json") | {"members": [record.model_dump(mode="json") for record in records]}
        )
        return
    if records:
        terminal.print_members(records)
    terminal.print_errors({f"surrogate {version}": manifest.errors})
    print(plain(f"written to {out}" + (f", published in {registry}" if registry else "")))


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError as error:
        raise ValueError(f"--hidden is {text!r}, expected widths such as 128,128") from error


@app.command(epilog="Example: nuker-surrogate evaluate --points 500 --faces 200 --maps errors.png")
def evaluate(
    artifact: Artifact = None,
    beside: Annotated[list[str] | None, typer.Option(help="Further surrogates on the same laws.")] = None,
    points: Annotated[int, typer.Option(help="Laws uniform in the domain.")] = 500,
    faces: Annotated[int, typer.Option(help="Laws on its faces, edges and corners.")] = 200,
    from_pc: Annotated[float, typer.Option(help="Innermost radius [pc].")] = 10.0,
    to_pc: Annotated[float, typer.Option(help="Outermost radius [pc].")] = 3000.0,
    maps: Annotated[Path | None, typer.Option(help="Picture to write: worst error of v_c over the box.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the laws.")] = 1,
    json: Json = False,
) -> None:
    """Errors against the exact deprojection, beside a ridge projector and the floor that the Gaussians allow."""
    from nuker_surrogate.compare import compare, route_name

    surrogate = load_surrogate(artifact)
    others = [load_surrogate(other) for other in beside or ()]
    with terminal.progress_lines() as advance:
        comparison = compare(
            surrogate, others, points, faces, seed, lambda i, n: advance("deprojecting", i, n, ""), (from_pc, to_pc)
        )
    if maps is not None:
        from nuker_surrogate.figures import error_maps

        n_laws = len(comparison.box)
        extent = f"{from_pc:g} pc - {to_pc:g} pc"
        title = f"surrogate {surrogate.version}: circular velocity, q = 1, {extent}, {n_laws} laws"
        error_maps(comparison.box, comparison.velocity_error[route_name(surrogate)], title).savefig(maps, dpi=130)
    table = comparison.table
    if json:
        terminal.print_json({route: [e.model_dump(mode="json") for e in rows] for route, rows in table.items()})
    else:
        terminal.print_errors(table)


@app.command(epilog="Example: nuker-surrogate ablations docs/surrogate")
def ablations(
    out: Annotated[Path, typer.Argument(help="Folder for ablations.md and ablations.png.")],
    steps: Annotated[int, typer.Option(help="Training steps of each network.", min=2)] = 20_000,
    examples: Annotated[int, typer.Option(help="Laws that each network is trained on.")] = 30_000,
    linear_examples: Annotated[int, typer.Option(help="Laws that each linear map is solved on.")] = 40_000,
    points: Annotated[int, typer.Option(help="Fresh laws to measure the errors on.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of these laws.")] = 7,
) -> None:
    """Train variants of the surrogate and measure them on the same laws: heads, Gaussians, loss, width.

    Takes about ten minutes on two cores. Results so far stay in OUT/parts: the same command goes on after an
    interruption.
    """
    from nuker_surrogate.ablations import ablation_page, run_ablations, variants
    from nuker_surrogate.figures import ablation_figure

    chosen = variants(steps, examples, linear_examples)
    with terminal.progress_lines() as advance:
        rows = run_ablations(out / "parts", points, seed, chosen, advance)
    ablation_figure(rows).savefig(out / "ablations.png", dpi=130)
    command = (
        f"nuker-surrogate ablations {out} --steps {steps} --examples {examples} --linear-examples {linear_examples}"
    )
    command += f" --points {points} --seed {seed}"
    (out / "ablations.md").write_text(ablation_page(rows, command, points, steps))
    print(plain(f"written to {out / 'ablations.md'}"))


@app.command(epilog="Example: nuker-surrogate publish my-surrogate --registry s3://bucket/surrogates")
def publish(
    artifact: Annotated[Path, typer.Argument(help="Folder of the artifact, as `train` wrote it.")],
    registry: Registry = None,
    json: Json = False,
) -> None:
    """Check an artifact and copy it into a registry, where its version never changes again."""
    from nuker_surrogate.registry import publish as run
    from nuker_surrogate.registry import registry_url

    version, url = run(artifact, registry), registry_url(registry)
    if json:
        terminal.print_json({"version": version, "registry": url})
    else:
        print(plain(f"published {version} in {url}"))


@app.command("list", epilog="Example: nuker-surrogate list --registry s3://bucket/surrogates")
def list_versions(registry: Registry = None, json: Json = False) -> None:
    """Versions shipped with this package or published in a registry, oldest first."""
    from nuker_surrogate.registry import published_versions, registry_url

    url = registry_url(registry)
    places = {"shipped": shipped_versions(), f"published in {url}": published_versions(url) if url else ()}
    versions = in_order({version for found in places.values() for version in found})
    if json:
        terminal.print_json(list(versions))
        return
    for version in versions:
        print(plain(f"{version:10} " + ", ".join(place for place, found in places.items() if version in found)))


@app.command(epilog="Example: nuker-surrogate show 1.0.0")
def show(artifact: Artifact = None, registry: Registry = None, json: Json = False) -> None:
    """Domain, training and measured errors of a surrogate, after checking its hashes."""
    manifest = load_surrogate(artifact, registry=registry).manifest
    if json:
        terminal.print_json(manifest.model_dump(mode="json"))
        return
    print(plain(f"surrogate {manifest.version}: {manifest.head} head, hidden layers {manifest.hidden}"))
    print(plain(f"made {manifest.created_utc} by nuker-surrogate {manifest.code_version}"))
    for name, interval in manifest.domain:
        print(f"  {name.replace('_minus_', ' - '):14} {interval.low:g} to {interval.high:g}")
    sigma = np.array(manifest.sigma_pc)
    print(f"  {sigma.size} Gaussians of width {sigma[0]:g} to {sigma[-1]:g} pc")
    print(plain("trained with " + ", ".join(f"{key} {value}" for key, value in manifest.training.items())))
    terminal.print_errors({f"surrogate {manifest.version}": manifest.errors})


def main() -> None:
    """Entry point of the `nuker-surrogate` command."""
    app()
