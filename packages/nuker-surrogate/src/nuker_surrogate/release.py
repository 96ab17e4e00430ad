"""From trained weights to an artifact: measure the errors on fresh laws, then write both together."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from steelyard_schemas.surrogate import SurrogateArtifact

from nuker_surrogate import heads
from nuker_surrogate.artifact import load_surrogate, save_surrogate
from nuker_surrogate.compare import FACES
from nuker_surrogate.domain import sample_box
from nuker_surrogate.evaluate import envelopes, exact_reference, worst_errors
from nuker_surrogate.targets import Tick
from nuker_surrogate.train import Trained, TrainingConfig

_SEED_OFFSET = 1_000_003  # fresh laws: never those of the training


def release(
    folder: Path, version: str, trained: Trained, points: int = 2000, tick: Tick | None = None
) -> SurrogateArtifact:
    """Measure a trained network and write it as an artifact.

    Args:
        folder: where; must not exist.
        version: semantic version.
        trained: from `train.train`.
        points: fresh laws uniform in the domain; a quarter as many again lie on its faces.
        tick: progress callback over the exact deprojections.

    Returns:
        The manifest written.

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
