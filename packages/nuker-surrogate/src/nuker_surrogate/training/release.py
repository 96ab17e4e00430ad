"""Release of a trained surrogate: measure its errors on fresh laws, then write weights and errors as an artifact."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from steelyard_schemas.surrogate import SurrogateArtifact

from nuker_surrogate.artifacts.files import save_surrogate
from nuker_surrogate.artifacts.open import load_surrogate
from nuker_surrogate.expansion import heads
from nuker_surrogate.expansion.accuracy import envelopes, exact_reference, worst_errors
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.progress import Tick
from nuker_surrogate.training.compare import FACES
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.train import Trained

_SEED_OFFSET = 1_000_003  # fresh laws, distinct from those of the training


def release(
    folder: Path, version: str, trained: Trained, points: int = 2000, tick: Tick | None = None
) -> SurrogateArtifact:
    """Measure a trained surrogate and write it as an artifact.

    Args:
        folder: folder to write; must not exist.
        version: semantic version.
        trained: result of `train.train`.
        points: number of fresh laws uniform in the domain; a quarter as many more lie on its faces.
        tick: progress callback over the exact deprojections.

    Returns:
        The manifest.

    Raises:
        ContractError: the folder exists, or the manifest breaks its contract.
    """
    rng = np.random.default_rng(trained.config.seed + _SEED_OFFSET)
    box = np.concatenate([sample_box(points, rng), sample_box(max(1, points // 4), rng, FACES)])
    reference = exact_reference(box, tick=tick)
    evaluate = jax.jit(lambda params: heads.coefficients(trained.config.head, trained.weights, params))
    c = np.asarray(evaluate(reference.params), dtype=np.float64)
    errors = worst_errors(c, trained.weights.features.sigma_pc, reference)
    inner = {key: values[:points] for key, values in errors.items()}
    outer = {key: values[points:] for key, values in errors.items()}
    table = envelopes(inner, box[:points], "box") + envelopes(outer, box[points:], "faces")
    training, sigma = trained.config.as_dict(), trained.weights.features.sigma_pc
    return save_surrogate(folder, version, trained.weights, sigma, training, box, errors, table)


def released_before(
    folder: Path, version: str, configs: Sequence[TrainingConfig], points: int
) -> SurrogateArtifact | None:
    """Return the manifest of an artifact that `release` has made of these settings; None if there is none.

    Args:
        folder: where it would be.
        version: semantic version.
        configs: of the trainings of which one may have been released.
        points: laws that its errors were measured on.

    Raises:
        ContractError: what lies there is no artifact, or damaged.
    """
    if not folder.exists():
        return None
    manifest = load_surrogate(folder).manifest
    measured = {errors.n_points for errors in manifest.errors if errors.points == "box"}
    same = manifest.version == version and measured == {points}
    return manifest if same and any(manifest.training == config.as_dict() for config in configs) else None
