"""Fit of a galaxy file: grid, find the mode, sample, and store every stage."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import sampler
from kinematics import redshift
from sampler import MalaConfig, Monitor, load_checkpoint, sample
from steelyard_schemas import (
    ContractError,
    Galaxy,
    GriddedVisibilities,
    Posterior,
    Store,
    read_model,
    require_memory,
    write_store,
)
from vis_gridder import DataWarning, assumptions

from steelyard.data.cosmology import distance_warning
from steelyard.data.grid_checks import grid_warnings
from steelyard.data.load import load_gridded
from steelyard.data.stamps import source_stamp
from steelyard.fitting.folder import RunFolder, named_folder
from steelyard.fitting.peaks import Peaks
from steelyard.fitting.posterior import build_posterior
from steelyard.inference.approximation import Expansion, Features, approximate_log_density, approximation_about
from steelyard.inference.coordinates import sampled_at
from steelyard.inference.density import log_density
from steelyard.inference.mode_search import search_mode
from steelyard.inference.problem import Problem, prepare
from steelyard.lease import check_lease, fit_lease

__all__ = ["default_folder", "fit"]

ProgressCallback = Callable[[sampler.Progress], None]
Note = Callable[[str], None]
STEPS_BETWEEN_NEWS = 10
"""Sampler steps per progress update, a few seconds for all chains; one in five is a MALA step, the others jumps."""
BYTES_PER_VOXEL = 32
"""Memory per voxel of gridded data, dirty cube in double precision and its transform [bytes]."""
MIN_DRAWS = 8
"""Minimum draws per chain for an interrupted run to write its results."""


def default_folder(galaxy: Galaxy, base: Path) -> Path:
    """Return the default folder of a fit: `<name>-fit` beside the galaxy file.

    Raises:
        ContractError: the name is too long for a folder.

    """
    return named_folder(galaxy.name, base, "fit")


def fit(
    galaxy: Galaxy | str | Path,
    out: str | Path | None = None,
    *,
    base: str | Path | None = None,
    restart: bool = False,
    progress: ProgressCallback | None = None,
    note: Note | None = None,
) -> Store[Posterior]:
    """Fit one galaxy and write all results to a folder, resuming an interrupted fit of the same inputs.

    Args:
        galaxy: galaxy file, or a `Galaxy`.
        out: folder for gridded data, checkpoint and posterior; `<name>-fit` beside the galaxy file by default.
        base: folder where relative data paths start; by default that of the galaxy file, or the working folder for a
            `Galaxy`.
        restart: whether to discard an earlier fit in `out`.
        progress: called after every step of the search and every block of the sampler.
        note: called with one line at each stage.

    Returns:
        Posterior, also written to `out`/posterior.zarr. Its manifest's `converged` shows whether to trust it.

    Raises:
        ContractError: the input is invalid, `out` holds a fit of other inputs, or another process is using it.
        KeyboardInterrupt: interrupted after writing the finished part; the same call resumes from there.

    """
    note = note or (lambda _: None)
    if base is None:
        base = Path() if isinstance(galaxy, Galaxy) else Path(galaxy).parent
    base = Path(base)
    model = galaxy if isinstance(galaxy, Galaxy) else read_model(galaxy, Galaxy)
    galaxy_file = None if isinstance(galaxy, Galaxy) else Path(galaxy)
    folder = RunFolder(Path(out) if out is not None else default_folder(model, base))
    # Sums over a million residuals need double precision; the caller's setting is restored afterwards.
    with jax.enable_x64(True), fit_lease(folder.path) as lease:
        if out is None and galaxy_file is not None:
            folder.refuse_another_file(galaxy_file, model.name)

        def watched(at: sampler.Progress) -> None:
            check_lease(lease, folder.path)
            if progress is not None:
                progress(at)

        problem = _prepared(model, base, folder, restart, note)
        if galaxy_file is not None:
            folder.keep_galaxy_file(galaxy_file)
        try:
            return _fit(model, problem, folder, watched, note)
        except ValueError as error:
            if not folder.is_begun:
                # A fit that never started leaves nothing behind.
                folder.discard()
            if isinstance(error, ContractError):
                raise
            raise ContractError(model.name, f"cannot be fitted: {error} (check [priors] and the data)") from error


def _fit(
    galaxy: Galaxy, problem: Problem, folder: RunFolder, progress: ProgressCallback | None, note: Note
) -> Store[Posterior]:
    if (done := folder.finished(galaxy)) is not None:
        note(f"already finished: {folder.posterior}")
        return done
    settings = galaxy.sampler
    config = MalaConfig(
        n_chains=settings.n_chains,
        n_warmup=settings.n_warmup,
        max_steps=settings.max_steps,
        target_ess=settings.target_ess,
        target_rhat=settings.max_rhat,
        seed=settings.seed,
        checkpoint_seconds=settings.checkpoint_s,
        block=STEPS_BETWEEN_NEWS,
    )
    problem, start, approximation = _start(problem, folder, progress, note)

    def run(config: MalaConfig, progress: ProgressCallback | None) -> sampler.SamplingResult:
        return sample(
            log_density,
            start,
            config,
            args=(problem.coordinates, problem.cells),
            approximation=approximation,
            monitor=Monitor(sampled_at, (problem.coordinates,)),
            progress=progress,
            checkpoint=folder.checkpoint,
            fingerprint=problem.identity,
        )

    def keep(result: sampler.SamplingResult, *, complete: bool) -> Store[Posterior]:
        posterior = build_posterior(
            problem,
            result,
            complete=complete,
            subcells=folder.subcells,
            warnings=folder.warnings,
            peaks=folder.load_peaks(),
        )
        return write_store(folder.posterior, posterior, overwrite=True)

    try:
        return keep(run(config, progress), complete=True)
    except KeyboardInterrupt:
        if not folder.checkpoint.exists():
            raise  # the chains have not started
        finished_steps = len(load_checkpoint(folder.checkpoint).state.draws)
        if finished_steps >= MIN_DRAWS:
            # A run whose budget is already spent returns its draws as they are.
            keep(run(replace(config, max_steps=finished_steps), None), complete=False)
            note(f"interrupted: the finished part is in {folder.posterior}; rerun the same command to resume")
        else:
            note("interrupted during warm-up: no results yet; rerun the same command to resume")
        raise


def _prepared(galaxy: Galaxy, base: Path, folder: RunFolder, restart: bool, note: Note) -> Problem:
    """Grid the data, or read them from the folder, and claim the folder for this fit."""
    path = base / galaxy.data.path
    stamp = source_stamp(path, galaxy) if path.exists() else None
    kept = None if restart else folder.load_gridded(stamp)
    if kept is None:
        note(f"reading {path}")
    elif stamp is None:
        note(f"{path} no longer exists: using the gridded data in {folder.gridded}")
    data = load_gridded(galaxy, base) if kept is None else kept
    _check_memory(data)
    _say_what_is_known(data, note, gridded_now=kept is None and galaxy.data.grid is not None)
    problem = prepare(galaxy, data)
    if (warning := distance_warning(galaxy.distance.mpc, redshift(problem.estimates.vsys_kms))) is not None:
        note(f"warning: {warning}")
    # Only now, so that invalid input does not delete an earlier fit.
    if restart:
        folder.clear()
    folder.claim(problem.identity)
    if kept is None and stamp is not None:
        folder.save_gridded(data, stamp)
    return problem


def _check_memory(data: Store[GriddedVisibilities]) -> None:
    """Raise ContractError if the dirty cube, the first product of the data, does not fit in memory."""
    n_channels, npix = len(data["frequency_hz"]), data.manifest.npix
    require_memory(
        data.manifest.source,
        f"a fit of {n_channels} channels and {npix} x {npix} pixels",
        BYTES_PER_VOXEL * float(n_channels) * npix**2,
        "choose fewer pixels or a velocity range in [data.grid]",
    )


def _say_what_is_known(data: Store[GriddedVisibilities], note: Note, *, gridded_now: bool) -> None:
    """Report assumptions of the readers and problems of the grid before hours are spent on a fit."""
    for line in assumptions(data.manifest.history):
        note(line)
    for text in grid_warnings(data, edge_is_known=gridded_now):
        warnings.warn(text, DataWarning, stacklevel=2)


def _start(
    problem: Problem,
    folder: RunFolder,
    progress: ProgressCallback | None,
    note: Note,
) -> tuple[Problem, sampler.Mode | np.ndarray, sampler.Approximation]:
    """Find the mode and expand the likelihood there, or load chains and expansion of an interrupted run.

    The returned problem has the subcells that its galaxy needs.
    """
    if folder.checkpoint.exists():
        problem = problem.with_subcells(folder.subcells.subcells)
        state = load_checkpoint(folder.checkpoint).state
        note(f"resuming from {folder.checkpoint}, {len(state.draws)} draws per chain so far")
        expansion = Expansion(**{name: jnp.asarray(a) for name, a in folder.load_approximation().items()})
        features = Features.of(problem.coordinates)
        return problem, state.chains.position, sampler.Approximation(approximate_log_density, (features, expansion))
    problem, mode, subcells, warnings = search_mode(problem, progress, note)
    folder.keep_subcells(subcells)
    folder.keep_warnings(warnings)
    folder.save_peaks(Peaks.of(mode) if mode.rivals else None)

    def keep(expansion: Expansion) -> None:
        folder.save_approximation({name: np.asarray(a) for name, a in expansion._asdict().items()})

    approximation = approximation_about(mode, Features.of(problem.coordinates), problem.cells, keep)
    note("sampling")
    return problem, mode, approximation
