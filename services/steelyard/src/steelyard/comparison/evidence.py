"""Bayes factor of the models with and without a black hole, by bridge sampling."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
from sampler import load_checkpoint, log_evidence
from steelyard_schemas import (
    ContractError,
    Galaxy,
    GriddedVisibilities,
    Posterior,
    atomic_path,
    read_json,
    read_model,
    read_store,
)
from steelyard_schemas.priors import Fixed

from steelyard.data.stamps import source_stamp
from steelyard.fitting.folder import RunFolder, named_folder
from steelyard.fitting.run import Note, ProgressCallback, fit
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard.lease import fit_lease

__all__ = ["ModelComparison", "ModelEvidence", "compare_models", "models_folder"]

NO_BLACK_HOLE = 0.0
"""log10 of the mass [Msun] that represents no black hole: one solar mass."""
WITH, WITHOUT = "with_black_hole", "without_black_hole"
LEAST_OVERLAP = 0.01
LARGEST_ERROR = 1.0
N_PROPOSALS = 1000


@dataclass(frozen=True)
class ModelEvidence:
    """Evidence of one of the two models.

    Attributes:
        folder: name of the fit's folder.
        posterior_hash: hash of the chains used for the evidence.
        converged: whether the fit converged.
        log_evidence: natural logarithm of the evidence, up to a constant shared by both models.
        error: statistical standard deviation of `log_evidence`.
        overlap: overlap of posterior and bridge, see `sampler.Evidence`.
        n_proposals: likelihood evaluations used.
        chi2: chi-square of the best draw.
        log_likelihood: log-likelihood of the best draw.

    """

    folder: str
    posterior_hash: str
    converged: bool
    log_evidence: float
    error: float
    overlap: float
    n_proposals: int
    chi2: float
    log_likelihood: float

    @property
    def is_reliable(self) -> bool:
        """Whether chains and bridge support the evidence."""
        return self.converged and self.overlap >= LEAST_OVERLAP and self.error <= LARGEST_ERROR


@dataclass(frozen=True)
class ModelComparison:
    """Comparison of the models with and without a black hole on the same data."""

    with_black_hole: ModelEvidence
    """Evidence of the model with a black hole."""
    without_black_hole: ModelEvidence
    """Evidence of the model without one."""

    @property
    def log_bayes_factor(self) -> float:
        """Natural logarithm of the Bayes factor in favour of a black hole."""
        return self.with_black_hole.log_evidence - self.without_black_hole.log_evidence

    @property
    def error(self) -> float:
        """Standard deviation of `log_bayes_factor`."""
        return float(np.hypot(self.with_black_hole.error, self.without_black_hole.error))

    @property
    def delta_chi2(self) -> float:
        """Decrease in chi-square due to a black hole, at the best draws."""
        return self.without_black_hole.chi2 - self.with_black_hole.chi2

    @property
    def is_reliable(self) -> bool:
        """Whether both evidences are reliable."""
        return self.with_black_hole.is_reliable and self.without_black_hole.is_reliable

    @property
    def verdict(self) -> str:
        """Verdict in words on the scale of Kass & Raftery (1995, JASA 90, 773, section 3.2)."""
        size = abs(self.log_bayes_factor)
        if size < max(1.0, 2 * self.error):
            return "the data do not discriminate between the models with and without a black hole"
        words = ((3.0, "positive"), (5.0, "strong"), (np.inf, "very strong"))
        strength = next(word for limit, word in words if size <= limit)
        return f"{strength} evidence {'for' if self.log_bayes_factor > 0 else 'against'} a black hole"


def compare_models(
    galaxy: Galaxy | str | Path,
    out: str | Path | None = None,
    *,
    n_proposals: int = N_PROPOSALS,
    progress: ProgressCallback | None = None,
    note: Note | None = None,
) -> ModelComparison:
    """Fit a galaxy with and without a black hole and compute the Bayes factor.

    Both fits use the same data, likelihood and priors on all other parameters. Interrupted chains are resumed and
    finished ones reused. The Bayes factor depends on the prior of log10 M_BH: for a measured mass, doubling the range
    lowers its logarithm by ln 2.

    Args:
        galaxy: galaxy file, or a `Galaxy`, whose relative data path starts in the working folder.
        out: folder for the two fits and `models.json`; `<name>-models` beside the galaxy file by default.
        n_proposals: likelihood evaluations per evidence.
        progress: called after every step of each fit and of the bridge.
        note: called with one line at each stage.

    Raises:
        ContractError: the input is invalid, or the galaxy file fixes log10_mbh.

    """
    tell = note or (lambda _: None)
    base = Path() if isinstance(galaxy, Galaxy) else Path(galaxy).parent
    model = galaxy if isinstance(galaxy, Galaxy) else read_model(galaxy, Galaxy)
    if isinstance(model.priors["log10_mbh"], Fixed):
        raise ContractError(model.name, "priors.log10_mbh is fixed: set a prior for the model with a black hole")
    folder = Path(out) if out is not None else models_folder(model, base)
    none = model.priors.model_copy(update={"log10_mbh": Fixed(value=NO_BLACK_HOLE)})
    variants = {WITH: model, WITHOUT: model.model_copy(update={"priors": none})}
    file = None if isinstance(galaxy, Galaxy) else Path(galaxy)
    found: dict[str, ModelEvidence] = {}
    with fit_lease(folder):
        if out is None and file is not None:
            RunFolder(folder / WITH).refuse_another_file(file, model.name)
        record = folder / "models.json"
        known = _known_evidences(record)
        for name, variant in variants.items():
            tell(name.replace("_", " "))
            run = RunFolder(folder / name)
            _share_data(RunFolder(folder / WITH), run, model, base / model.data.path)
            with fit_lease(run.path):
                posterior = fit(variant, run.path, base=base, progress=progress, note=note)
                if file is not None:
                    run.keep_galaxy_file(file)
                earlier = known.get(name)
                if earlier is not None and (earlier.posterior_hash, earlier.n_proposals) == (
                    posterior.manifest.content_hash,
                    n_proposals,
                ):
                    found[name] = earlier
                    tell("its evidence is known already")
                else:
                    tell("computing its evidence by bridge sampling")
                    found[name] = _evidence(run, posterior.manifest, n_proposals, progress)
            with atomic_path(record, overwrite=True) as temporary:
                temporary.write_text(json.dumps({key: asdict(one) for key, one in found.items()}, indent=2) + "\n")
    return ModelComparison(found[WITH], found[WITHOUT])


def _known_evidences(record: Path) -> dict[str, ModelEvidence]:
    """Return the evidences of an earlier call; empty if its record is damaged, as they can be recomputed."""
    try:
        return {name: ModelEvidence(**facts) for name, facts in read_json(record).items()}
    except (ContractError, TypeError):
        return {}


def models_folder(galaxy: Galaxy, base: Path) -> Path:
    """Return the default folder of the two fits: `<name>-models` beside the galaxy file."""
    return named_folder(galaxy.name, base, "models")


def _share_data(source: RunFolder, target: RunFolder, galaxy: Galaxy, path: Path) -> None:
    """Reuse the gridded data of another fit of the same visibilities; gridding may take minutes."""
    if target.path == source.path or target.gridded.exists() or not path.exists():
        return
    stamp = source_stamp(path, galaxy)
    if (data := source.load_gridded(stamp)) is not None:
        target.save_gridded(data, stamp)


def _evidence(
    run: RunFolder, manifest: Posterior, n_proposals: int, progress: ProgressCallback | None
) -> ModelEvidence:
    """Compute the evidence of a finished fit from the unconstrained chains in its checkpoint."""
    galaxy = manifest.galaxy
    state = load_checkpoint(run.checkpoint).state
    with jax.enable_x64(True):
        problem = prepare(galaxy, read_store(run.gridded, GriddedVisibilities))
        problem = problem.with_subcells(manifest.quality.subcells)
        found = log_evidence(
            log_density,
            np.swapaxes(state.draws, 0, 1),
            state.draw_log_density.T,
            args=(problem.coordinates, problem.cells),
            n_proposals=n_proposals,
            batch_size=galaxy.sampler.n_chains,
            seed=galaxy.sampler.seed,
            progress=progress,
        )
    return ModelEvidence(
        folder=run.path.name,
        posterior_hash=manifest.content_hash,
        converged=manifest.converged,
        log_evidence=found.log_evidence,
        error=found.error,
        overlap=found.overlap,
        n_proposals=n_proposals,
        chi2=manifest.quality.chi2,
        log_likelihood=manifest.quality.log_likelihood,
    )
