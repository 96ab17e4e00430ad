"""Ensemble of surrogates: members are trained alike, measured on the same laws, and the best is kept.

Members differ in head, width and seed. Each keeps its checkpoint and record in its own folder, from which an
interrupted run resumes. A trainer trains them: one by one in this process, or in parallel by another package.
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
from nuker_surrogate.progress import Advance, Progress, Tick, stage_tick, training_progress
from nuker_surrogate.training.checkpoint import CHECKPOINT
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.train import Trained, train

TRAINERS = "nuker_surrogate.trainers"
"""Entry points of packages that train the members of an ensemble in parallel."""
_SELECTION_SEED = 2_000_003  # laws for the comparison, distinct from those of training and release

Trainer = Callable[[Path, Sequence[TrainingJob], Advance], Iterator[TrainingRecord]]
"""Called as ``trainer(folder, jobs, advance)``; yields the record of each job as it ends, in any order."""


def members(
    base: TrainingConfig, choices: Sequence[str], widths: Sequence[tuple[int, ...]], seeds: Sequence[int]
) -> tuple[TrainingConfig, ...]:
    """Combine heads, widths of the hidden layers, and seeds, without duplicates.

    The linear head has no network, so widths do not multiply it.
    """
    found: dict[str, TrainingConfig] = {}
    for head, hidden, seed in itertools.product(choices, widths, seeds):
        config = replace(base, head=head, hidden=hidden, seed=seed)  # type: ignore[arg-type]  # checked there
        found.setdefault(member_name(config), config)
    return tuple(found.values())


def member_name(config: TrainingConfig) -> str:
    """Name a member by its head, widths and seed, such as corrected-64-64-64-seed0."""
    widths = [str(width) for width in config.hidden] if config.has_network else []
    return "-".join([config.head, *widths, f"seed{config.seed}"])


def training_job(name: str, config: TrainingConfig, points: int, points_seed: int = _SELECTION_SEED) -> TrainingJob:
    """Describe the training and measurement of a member as a message."""
    return TrainingJob(name=name, training=config.as_dict(), points=points, points_seed=points_seed)


def job_config(job: TrainingJob) -> TrainingConfig:
    """Read the configuration of a member from its message.

    Raises:
        ContractError: a setting is unknown to this version, or the settings cannot train.
    """
    settings: dict[str, Any] = dict(job.training)
    if "hidden" in settings:
        settings["hidden"] = tuple(int(width) for width in settings["hidden"])
    try:
        return TrainingConfig(**settings)
    except (TypeError, ValueError) as error:
        raise ContractError(f"training job {job.name}", str(error)) from error


def selection_reference(job: TrainingJob, tick: Tick | None = None) -> Reference:
    """Deproject the laws on which a job is measured."""
    return exact_reference(sample_box(job.points, np.random.default_rng(job.points_seed)), tick=tick)


def train_member(
    folder: Path, job: TrainingJob, progress: Progress | None = None, reference: Reference | None = None
) -> TrainingRecord:
    """Train and measure one member, resuming where an earlier attempt stopped; a finished member is not repeated.

    Args:
        folder: folder of the ensemble; it contains those of the members.
        job: message that describes the member.
        progress: progress callback of the training.
        reference: result of `selection_reference`, if already known.

    Returns:
        The record, also written to the member's folder. If the training failed, it gives the reason.
    """
    member_folder = folder / job.name
    path = member_folder / "record.json"
    if path.exists() and (kept := read_model(path, TrainingRecord)).job == job.identity and not kept.reason:
        return kept
    member_folder.mkdir(parents=True, exist_ok=True)
    config, began = job_config(job), time.perf_counter()
    try:
        trained = train(config, progress, member_folder / CHECKPOINT)
        errors = measure(trained, reference or selection_reference(job))
        result: dict[str, Any] = {"n_parameters": _n_parameters(trained), **errors}
    except (FloatingPointError, ValueError) as error:
        result = {"reason": str(error)}
    record = TrainingRecord(name=job.name, job=job.identity, wall_s=time.perf_counter() - began, **result)
    write_model(path, record, overwrite=True)
    return record


def measure(trained: Trained, reference: Reference) -> dict[str, tuple[float, ...]]:
    """Percentiles over the laws of the worst error over radius, for circular velocity (q = 1) and surface density."""
    single = NukerParams(*(np.asarray(leaf, np.float32) for leaf in reference.params))
    c = np.asarray(heads.coefficients(trained.config.head, trained.weights, single), np.float64)
    return percentiles(c, trained.weights.features.sigma_pc, reference)


def percentiles(c: Float, sigma_pc: Float, reference: Reference) -> dict[str, tuple[float, ...]]:
    """Percentiles, as in `measure`, of the errors of any coefficients (n, n_sigma) for widths [pc] (n_sigma,)."""
    errors = worst_errors(np.nan_to_num(c), sigma_pc, reference)
    return {
        quantity: tuple(float(x) for x in np.percentile(errors[quantity, 1.0], PERCENTILES))
        for quantity in ("circular_velocity", "surface_density")
    }


def _n_parameters(trained: Trained) -> int:
    weights = trained.weights
    return sum(a.size for a in (*weights.kernels, *weights.biases, weights.deconvolution) if np.any(a))


def train_alone(folder: Path, config: TrainingConfig, progress: Progress | None = None) -> Trained:
    """Train the only member of an ensemble, without the measurement that comparing members needs."""
    member_folder = folder / member_name(config)
    member_folder.mkdir(parents=True, exist_ok=True)
    return train(config, progress, member_folder / CHECKPOINT)


def one_by_one(folder: Path, jobs: Sequence[TrainingJob], advance: Advance) -> Iterator[TrainingRecord]:
    """Train all members in this process, one after the other."""
    reference = selection_reference(jobs[0], stage_tick("deprojecting", advance))
    for job in jobs:
        yield train_member(folder, job, training_progress(advance, job.name), reference)


def parallel_trainer(workers: int | None, address: str | None = None) -> Trainer:
    """Find a trainer that works in parallel, among the entry points of the group `TRAINERS`.

    Args:
        workers: number of members trained at a time; as many as fit if None.
        address: address of a cluster; this machine if None.

    Raises:
        ValueError: no installed package provides one.
    """
    offered = sorted(entry_points(group=TRAINERS), key=lambda offer: offer.name)
    if not offered:
        raise ValueError("--workers and --address need a package that trains in parallel: install steelyard[survey]")
    make: Callable[[int | None, str | None], Trainer] = offered[0].load()
    return make(workers, address)


def train_ensemble(
    folder: Path,
    configs: Sequence[TrainingConfig],
    points: int,
    advance: Advance,
    trainer: Trainer = one_by_one,
) -> tuple[Trained, tuple[TrainingRecord, ...]]:
    """Train all members and select the one with the smallest 99th percentile of the circular-velocity error.

    Args:
        folder: folder in which members keep their state.
        configs: configurations of the members, from `members`.
        points: number of laws on which the members are compared; they are used for nothing else.
        advance: progress callback.
        trainer: function that trains them.

    Returns:
        The best member, and the records of all, best first.

    Raises:
        ContractError: no member could be trained.
    """
    by_name = {member_name(config): config for config in configs}
    jobs = [training_job(name, config, points) for name, config in by_name.items()]
    records = []
    for record in trainer(folder, jobs, advance):
        records.append(record)
        note = record.reason or f"99 % of the laws within {100 * record.circular_velocity[2]:.2g} %"
        advance("members", len(records), len(jobs), f"{record.name}: {note}")
    trained = [record for record in records if not record.reason]
    if not trained:
        raise ContractError(folder, [f"{record.name}: {record.reason}" for record in records])
    best = min(trained, key=lambda record: record.circular_velocity[2])
    # The checkpoint is complete, so this only reads the weights.
    return train(by_name[best.name], None, folder / best.name / CHECKPOINT), tuple(sorted(records, key=_error))


def _error(record: TrainingRecord) -> float:
    return record.circular_velocity[2] if record.circular_velocity else np.inf
