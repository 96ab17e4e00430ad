"""Several surrogates trained alike, measured on the same laws, and the best of them.

Members differ in head, width and seed. Each leaves its state and its record in a folder of its own, so that a run
that was cut off goes on from there; who trains them, one by one here or side by side elsewhere, is left open.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError, TrainingJob, TrainingRecord, read_model, write_model
from steelyard_schemas.training import PERCENTILES

from nuker_surrogate.expansion import heads
from nuker_surrogate.expansion.accuracy import Reference, exact_reference, worst_errors
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.law.nuker import NukerParams
from nuker_surrogate.training.checkpoint import CHECKPOINT
from nuker_surrogate.training.train import Progress, Trained, TrainingConfig, train

TRAINERS = "nuker_surrogate.trainers"
"""Entry points of other packages that train the members of an ensemble side by side."""
_SELECTION_SEED = 2_000_003  # laws for the choice: neither those of the training nor those of the release

Advance = Callable[[str, int, int, str], None]
"""Called as ``advance(stage, done, total, note)``."""
Trainer = Callable[[Path, Sequence[TrainingJob], Advance], Iterator[TrainingRecord]]
"""Called as ``trainer(folder, jobs, advance)``; yields the record of each job as it ends, in any order."""


def members(
    base: TrainingConfig, choices: Sequence[str], widths: Sequence[tuple[int, ...]], seeds: Sequence[int]
) -> tuple[TrainingConfig, ...]:
    """All combinations of heads, widths of the hidden layers, and seeds; none twice.

    The linear head has no network, so that it does not care for widths.
    """
    found: dict[str, TrainingConfig] = {}
    for head, hidden, seed in itertools.product(choices, widths, seeds):
        config = replace(base, head=head, hidden=hidden, seed=seed)  # type: ignore[arg-type]  # checked there
        found.setdefault(member_name(config), config)
    return tuple(found.values())


def member_name(config: TrainingConfig) -> str:
    """Name a member by what it differs in, such as corrected-64-64-64-seed0."""
    widths = [str(width) for width in config.hidden] if config.has_network else []
    return "-".join([config.head, *widths, f"seed{config.seed}"])


def training_job(name: str, config: TrainingConfig, points: int, points_seed: int = _SELECTION_SEED) -> TrainingJob:
    """Write a member down as a message."""
    return TrainingJob(name=name, training=config.as_dict(), points=points, points_seed=points_seed)


def job_config(job: TrainingJob) -> TrainingConfig:
    """Read a member back.

    Raises:
        ContractError: settings that this version does not know, or that cannot train.
    """
    settings: dict[str, Any] = dict(job.training)
    if "hidden" in settings:
        settings["hidden"] = tuple(int(width) for width in settings["hidden"])
    try:
        return TrainingConfig(**settings)
    except (TypeError, ValueError) as error:
        raise ContractError(f"training job {job.name}", str(error)) from error


def selection_reference(job: TrainingJob, tick: Callable[[int, int], None] | None = None) -> Reference:
    """Deproject the laws that a job is measured on."""
    return exact_reference(sample_box(job.points, np.random.default_rng(job.points_seed)), tick=tick)


def train_member(
    folder: Path, job: TrainingJob, tell: Progress | None = None, reference: Reference | None = None
) -> TrainingRecord:
    """Train one member and measure it, or go on where an earlier attempt stopped; what is finished is not done again.

    Args:
        folder: of the ensemble; the member's is in it.
        job: the member.
        tell: progress callback of the training.
        reference: from `selection_reference`, where it is known already.

    Returns:
        The record, also kept in the member's folder. That the training diverged is told there, not raised.
    """
    place = folder / job.name
    path = place / "record.json"
    if path.exists() and (kept := read_model(path, TrainingRecord)).job == job.identity and not kept.reason:
        return kept
    place.mkdir(parents=True, exist_ok=True)
    config, began = job_config(job), time.perf_counter()
    try:
        trained = train(config, tell, place / CHECKPOINT)
        errors = measure(trained, reference or selection_reference(job))
        result: dict[str, Any] = {"n_parameters": _n_parameters(trained), **errors}
    except (FloatingPointError, ValueError) as error:
        result = {"reason": str(error)}
    record = TrainingRecord(name=job.name, job=job.identity, wall_s=time.perf_counter() - began, **result)
    write_model(path, record, overwrite=True)
    return record


def measure(trained: Trained, reference: Reference) -> dict[str, tuple[float, ...]]:
    """Worst errors over radius at `PERCENTILES` of the laws, of circular velocity (q = 1) and surface density."""
    single = NukerParams(*(np.asarray(leaf, np.float32) for leaf in reference.params))
    c = np.asarray(heads.coefficients(trained.config.head, trained.weights, single), np.float64)
    return percentiles(c, trained.weights.features.sigma_pc, reference)


def percentiles(c: Float, sigma_pc: Float, reference: Reference) -> dict[str, tuple[float, ...]]:
    """The same of any coefficients (law, Gaussian)."""
    errors = worst_errors(np.nan_to_num(c), sigma_pc, reference)
    return {
        quantity: tuple(float(x) for x in np.percentile(errors[quantity, 1.0], PERCENTILES))
        for quantity in ("circular_velocity", "surface_density")
    }


def _n_parameters(trained: Trained) -> int:
    weights = trained.weights
    return sum(a.size for a in (*weights.kernels, *weights.biases, weights.deconvolution) if np.any(a))


def train_alone(folder: Path, config: TrainingConfig, tell: Progress | None = None) -> Trained:
    """Train the only member of an ensemble, for which nothing need be measured to choose it."""
    place = folder / member_name(config)
    place.mkdir(parents=True, exist_ok=True)
    return train(config, tell, place / CHECKPOINT)


def one_by_one(folder: Path, jobs: Sequence[TrainingJob], advance: Advance) -> Iterator[TrainingRecord]:
    """Train all members in this process, one after the other."""
    reference = selection_reference(jobs[0], lambda i, n: advance("deprojecting", i, n, ""))
    for job in jobs:
        yield train_member(folder, job, member_progress(job.name, advance), reference)


def member_progress(name: str, advance: Advance) -> Progress:
    """Tell the progress of `train` through `advance`, under a member's name."""

    def tell(stage: str, done: int, total: int, loss: float | None, held_out: float | None) -> None:
        advance(f"{name}: {stage}", done, total, "" if held_out is None else f"held out {held_out:.2e}")

    return tell


def side_by_side(workers: int | None, address: str | None = None) -> Trainer:
    """Find who trains members side by side: a package that offers it under the entry point group `TRAINERS`.

    Args:
        workers: members in training at a time; as many as there is room for if None.
        address: of a cluster; this machine if None.

    Raises:
        ValueError: no installed package offers it.
    """
    offered = sorted(entry_points(group=TRAINERS), key=lambda offer: offer.name)
    if not offered:
        raise ValueError("--workers and --address need a package that trains side by side: install steelyard[survey]")
    make: Callable[[int | None, str | None], Trainer] = offered[0].load()
    return make(workers, address)


def train_ensemble(
    folder: Path,
    configs: Sequence[TrainingConfig],
    points: int,
    advance: Advance,
    trainer: Trainer = one_by_one,
) -> tuple[Trained, tuple[TrainingRecord, ...]]:
    """Train all members and choose the one whose circular velocities are best, by the error that 99 % of laws keep.

    Args:
        folder: where members keep their state.
        configs: of the members, from `members`.
        points: laws that the members are compared on; they are used for nothing else.
        advance: progress callback.
        trainer: what trains them.

    Returns:
        The best member, and the records of all, best first.

    Raises:
        ContractError: none could be trained.
    """
    by_name = {member_name(config): config for config in configs}
    jobs = [training_job(name, config, points) for name, config in by_name.items()]
    records = []
    for record in trainer(folder, jobs, advance):
        records.append(record)
        told = record.reason or f"99 % of the laws within {100 * record.circular_velocity[2]:.2g} %"
        advance("members", len(records), len(jobs), f"{record.name}: {told}")
    trained = [record for record in records if not record.reason]
    if not trained:
        raise ContractError(folder, [f"{record.name}: {record.reason}" for record in records])
    best = min(trained, key=lambda record: record.circular_velocity[2])
    # Nothing is left to train: this reads the weights.
    return train(by_name[best.name], None, folder / best.name / CHECKPOINT), tuple(sorted(records, key=_error))


def _error(record: TrainingRecord) -> float:
    return record.circular_velocity[2] if record.circular_velocity else np.inf
