"""The command that trains a surrogate or an ensemble of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from steelyard_schemas import ContractError, plain, stopped_at_once, vacant

from nuker_surrogate.artifacts.versions import check_version
from nuker_surrogate.cli.display import progress_lines
from nuker_surrogate.cli.options import Examples, Json, LinearExamples, Points
from nuker_surrogate.cli.tables import print_errors, print_json, print_members
from nuker_surrogate.progress import Advance, stage_tick, training_progress

if TYPE_CHECKING:  # the training libraries take a second to import; the other commands do without
    from steelyard_schemas import TrainingRecord
    from steelyard_schemas.surrogate import SurrogateArtifact

    from nuker_surrogate.training.config import TrainingConfig
    from nuker_surrogate.training.train import Trained

Out = Annotated[Path, typer.Argument(help="Folder to write the artifact to; must not exist.")]
Version = Annotated[str, typer.Option(help="Semantic version of the artifact.")]
Heads = Annotated[
    list[str] | None,
    typer.Option(
        help="Head: linear (default), corrected (linear plus network), normalised, symexp (the paper's) or direct; "
        "repeatable."
    ),
]
NSigma = Annotated[int, typer.Option(help="Number of Gaussians.")]
SmallestPc = Annotated[float, typer.Option(help="Width of the narrowest Gaussian [pc].")]
LargestPc = Annotated[float, typer.Option(help="Width of the widest Gaussian [pc].")]
Hidden = Annotated[
    list[str] | None,
    typer.Option(help="Widths of the network's hidden layers; 64,64,64 by default; repeatable."),
]
LabelSteps = Annotated[int, typer.Option(help="Training steps on least-squares labels.")]
LossSteps = Annotated[int, typer.Option(help="Training steps on the errors themselves.")]
LearningRate = Annotated[float, typer.Option(help="Peak learning rate.")]
Seeds = Annotated[
    list[int] | None,
    typer.Option(help="Random seed of laws, initial weights and batches; 0 by default; repeatable."),
]
ChooseOn = Annotated[int, typer.Option(help="Number of laws on which ensemble members are compared.", min=1)]
Workers = Annotated[
    int | None, typer.Option(help="Number of members trained at a time, on Ray; one by one by default.", min=1)
]
Address = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster whose nodes see OUT; this machine by default.")
]
PublishIn = Annotated[str | None, typer.Option(help="Registry (path or URL) in which to publish the artifact.")]


def train(
    out: Out,
    version: Version = "0.1.0",
    head: Heads = None,
    n_sigma: NSigma = 64,
    smallest_pc: SmallestPc = 1.0,
    largest_pc: LargestPc = 1e4,
    hidden: Hidden = None,
    linear_examples: LinearExamples = 40_000,
    examples: Examples = 60_000,
    label_steps: LabelSteps = 12_000,
    loss_steps: LossSteps = 30_000,
    learning_rate: LearningRate = 3e-3,
    points: Points = 2000,
    seed: Seeds = None,
    choose_on: ChooseOn = 500,
    workers: Workers = None,
    address: Address = None,
    registry: PublishIn = None,
    json: Json = False,
) -> None:
    """Train a surrogate, measure its errors against the exact deprojection, and write it as an artifact.

    If --head, --hidden or --seed is given several times, all combinations are trained, and the one with the most
    accurate circular velocities on unseen laws is kept. Progress is kept in OUT.training: after an interruption,
    rerun the same command to resume, on this node or another.
    """
    check_version(version)
    # The training libraries take a second to import; the other commands do without.
    with stopped_at_once():
        from nuker_surrogate.artifacts.publish import publish_once
        from nuker_surrogate.training.config import TrainingConfig
        from nuker_surrogate.training.ensemble import members
        from nuker_surrogate.training.release import release, released_before

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
    configs = members(base, head or ["linear"], [_widths(text) for text in hidden or ["64,64,64"]], seed or [0])
    folder = out.with_name(f"{out.name}.training")
    # Its folder goes last: where both are there, this command was stopped after the artifact was written.
    before = released_before(out, version, configs, points) if folder.exists() else None
    if before is None:
        _check_target(out, version, registry)  # before the minutes of training
    with progress_lines() as advance:
        trained, records = _trained(folder, configs, choose_on, workers, address, advance)
        manifest = before or release(out, version, trained, points, stage_tick("measuring", advance))
    if registry is not None:
        publish_once(out, registry)
    shutil.rmtree(folder, ignore_errors=True)
    _print(out, manifest, records, registry, json)


def _check_target(out: Path, version: str, registry: str | None) -> None:
    from nuker_surrogate.artifacts.remote import published_versions

    if not vacant(out):
        raise ContractError(out, "exists already; choose another name")
    if registry is not None and version in published_versions(registry):
        raise ContractError(f"surrogate {version}", f"exists already in {registry}: choose a higher --version")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError as error:
        raise ValueError(f"--hidden is {text!r}, expected widths such as 128,128") from error


def _trained(
    folder: Path,
    configs: tuple[TrainingConfig, ...],
    points: int,
    workers: int | None,
    address: str | None,
    advance: Advance,
) -> tuple[Trained, tuple[TrainingRecord, ...]]:
    """Train one surrogate, or an ensemble; returns the best, and the records of an ensemble."""
    from nuker_surrogate.training import ensemble

    parallel = workers is not None or address is not None
    if len(configs) == 1 and not parallel:
        return ensemble.train_alone(folder, configs[0], training_progress(advance)), ()
    trainer = ensemble.parallel_trainer(workers, address) if parallel else ensemble.one_by_one
    return ensemble.train_ensemble(folder, configs, points, advance, trainer)


def _print(
    out: Path, manifest: SurrogateArtifact, records: tuple[TrainingRecord, ...], registry: str | None, json: bool
) -> None:
    if json:
        members = [record.model_dump(mode="json") for record in records]
        print_json(manifest.model_dump(mode="json") | {"members": members})
        return
    if records:
        print_members(records)
    print_errors({f"surrogate {manifest.version}": manifest.errors})
    print(plain(f"written to {out}" + (f", published in {registry}" if registry else "")))
