"""Ablations: variants of the surrogate, trained alike and measured on the same laws, in one run.

They follow Yantovski-Barth et al. (2025, arXiv:2511.20746): signed logarithm or plain coefficients, fewer Gaussians,
the mass term in the loss, the width of the network; and add the linear map without a network.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nuker_surrogate.artifacts.open import load_surrogate
from nuker_surrogate.expansion import heads
from nuker_surrogate.expansion.accuracy import Reference, exact_reference
from nuker_surrogate.expansion.mge import sigma_grid_pc
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.progress import Advance, stage_tick, training_progress
from nuker_surrogate.training.checkpoint import CHECKPOINT
from nuker_surrogate.training.compare import Method, least_squares_method, ridge_method, surrogate_method
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.ensemble import percentiles, train_member, training_job


class Variant(NamedTuple):
    """Name and settings of a variant."""

    name: str
    config: TrainingConfig


class Row(NamedTuple):
    """Measured errors of a variant, as fractions at the percentiles of a `TrainingRecord`."""

    name: str
    n_parameters: int
    circular_velocity: tuple[float, ...]
    surface_density: tuple[float, ...]


def variants(steps: int, examples: int, linear_examples: int) -> tuple[Variant, ...]:
    """List the variants; networks train for `steps` steps, three tenths on labels and the rest on errors."""
    linear = TrainingConfig(linear_examples=linear_examples)
    network = dataclasses.replace(
        linear, examples=examples, label_steps=max(1, 3 * steps // 10), loss_steps=max(1, 7 * steps // 10)
    )

    def head(name: heads.Head, **changes: object) -> TrainingConfig:
        return dataclasses.replace(network, head=name, **changes)  # type: ignore[arg-type]

    kinds = (
        ("corrected: linear map and network", head("corrected", loss_steps=steps)),
        ("normalised network", head("normalised")),
        ("symexp network (the paper's head)", head("symexp")),
        ("direct network", head("direct")),
    )
    return (
        Variant("linear map", linear),
        *(Variant(name, config) for name, config in kinds),
        *(Variant(f"linear map, {n} Gaussians", _with(linear, n_sigma=n)) for n in (48, 32, 16)),
        Variant("linear map, no mass in the loss", _with(linear, mass_weight=0.0)),
        Variant("symexp network, no mass in the loss", head("symexp", mass_weight=0.0)),
        *(Variant(f"symexp network, width {n}", head("symexp", hidden=(n, n, n))) for n in (16, 32, 128)),
    )


def _with(config: TrainingConfig, **changes: object) -> TrainingConfig:
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def run_ablations(
    folder: Path, points: int, seed: int, chosen: tuple[Variant, ...], advance: Advance
) -> tuple[Row, ...]:
    """Train and measure every variant, together with ridge projector, shipped surrogate and least squares.

    Each result is written to `folder` at once; an interrupted run resumes from there.

    Args:
        folder: folder of the results.
        points: number of fresh laws, uniform in the box.
        seed: random seed of these laws.
        chosen: variants, from `variants`.
        advance: progress callback.
    """
    folder.mkdir(parents=True, exist_ok=True)
    box = sample_box(points, np.random.default_rng(seed))
    reference = exact_reference(box, tick=stage_tick("deprojecting", advance))
    sigma = sigma_grid_pc()
    shipped = load_surrogate()
    known: tuple[tuple[str, Method], ...] = (
        ("ridge projector", ridge_method(sigma)),
        (f"shipped surrogate {shipped.version}", surrogate_method(shipped)),
        ("least squares, solved per law", least_squares_method(sigma)),
    )
    rows = [_row(name, method(reference.params), sigma, reference) for name, method in known]
    for variant in chosen:
        rows.append(_kept(folder, variant, points, seed, reference, advance))
    return tuple(rows)


def _kept(folder: Path, variant: Variant, points: int, seed: int, reference: Reference, advance: Advance) -> Row:
    stem = "-".join("".join(c if c.isalnum() else " " for c in variant.name.lower()).split())
    record = train_member(
        folder, training_job(stem, variant.config, points, seed), training_progress(advance, variant.name), reference
    )
    if record.reason:
        raise FloatingPointError(f"{variant.name}: {record.reason}")
    (folder / stem / CHECKPOINT).unlink(missing_ok=True)
    return Row(variant.name, record.n_parameters, record.circular_velocity, record.surface_density)


def _row(name: str, c: Float, sigma_pc: Float, reference: Reference) -> Row:
    return Row(name, 0, **percentiles(c, sigma_pc, reference))


def ablation_page(rows: Sequence[Row], command: str, points: int, steps: int) -> str:
    """Format the results of `run_ablations` as a Markdown page."""
    lines = [
        "# Ablations of the surrogate",
        "",
        f"Written by `{command}`, in one run.",
        "Worst relative error over 10 pc - 3 kpc against the exact deprojection, q = 1, in per cent: median / 95 % /",
        f"99 % / worst over {points} fresh laws, uniform in the box. Unless stated otherwise, networks have three",
        f"hidden layers of 64; they were trained for {steps} steps of 512 laws.",
        "",
        "| variant | circular velocity | surface density | parameters |",
        "|---|---|---|---|",
    ]
    for row in rows:
        errors = (" / ".join(f"{100 * x:.2g}" for x in part) for part in (row.circular_velocity, row.surface_density))
        lines.append(f"| {row.name} | {' | '.join(errors)} | {row.n_parameters or ''} |")
    return "\n".join([*lines, "", "![errors of all variants](ablations.png)", ""])
