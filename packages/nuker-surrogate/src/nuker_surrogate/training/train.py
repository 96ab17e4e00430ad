"""Training a surrogate: the linear deconvolution by least squares, then the network in two stages.

The network first learns the least-squares labels, in coordinates where the average loss is a plain square distance,
so that it converges in seconds; then it minimises the relative errors of profile and enclosed mass of each law.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from nuker_surrogate.expansion.deconvolution import deconvolution_cost, fit_deconvolution
from nuker_surrogate.expansion.heads import INPUTS, Weights
from nuker_surrogate.expansion.mge import sigma_grid_pc
from nuker_surrogate.expansion.radial_features import RadialFeatures, radial_features
from nuker_surrogate.expansion.targets import Targets, loss_targets
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import from_box
from nuker_surrogate.progress import Progress
from nuker_surrogate.training.checkpoint import Checkpoint
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.dataset import build_problem, draw_laws, input_standardisation
from nuker_surrogate.training.descent import Stage, descend, error_loss, label_loss
from nuker_surrogate.training.network import CoefficientNetwork


class Trained(NamedTuple):
    """Result of a training run.

    Attributes:
        config: settings of the run.
        weights: for `heads.coefficients`.
    """

    config: TrainingConfig
    weights: Weights


def train(config: TrainingConfig, progress: Progress | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a surrogate. Deterministic for a given configuration, machine and library version.

    Args:
        config: settings of the run.
        progress: progress callback.
        checkpoint: file to save to and to resume from; none by default. A resumed run ends with the same weights.

    Raises:
        ValueError: the checkpoint is damaged or of another configuration.
        FloatingPointError: the training diverged.
    """
    saved = Checkpoint(checkpoint, repr(sorted(config.as_dict().items())))
    sigma = sigma_grid_pc(config.n_sigma, config.smallest_pc, config.largest_pc)
    targets, features = loss_targets(sigma), radial_features(sigma)
    targets = targets._replace(mass_weight=config.mass_weight**0.5 * targets.mass_weight)
    matrix = np.zeros((features.n_features, sigma.size))
    kernels: tuple[Float, ...] = ()
    biases: tuple[Float, ...] = ()
    try:
        if config.has_linear_part:
            matrix = _fit_linear(config, targets, features, saved, progress)
        if config.has_network:
            kernels, biases = _train_network(config, targets, features, matrix, saved, progress)
    finally:
        saved.write()
    return Trained(config, Weights(input_standardisation(), kernels, biases, features, matrix))


def _fit_linear(
    config: TrainingConfig, targets: Targets, features: RadialFeatures, saved: Checkpoint, progress: Progress | None
) -> Float:
    """Fit the linear deconvolution, or read it from the checkpoint; returns its matrix (n_features, n_sigma)."""
    stage = "linear"
    if (before := saved.load(stage)) is not None:
        return before.arrays[0]
    rng = np.random.default_rng(config.seed)
    params = from_box(draw_laws(config.linear_examples, rng, config.linear_faces))
    held_out = from_box(draw_laws(max(1, config.linear_examples // 20), rng, config.linear_faces))

    def tick(done: int, total: int) -> None:
        if progress is not None and done < total:
            progress(stage, done, total, None, None)

    matrix = fit_deconvolution(targets, features, params, config.linear_ridge, tick)
    cost, check = (deconvolution_cost(targets, features, laws, matrix).mean() for laws in (params, held_out))
    saved.save(stage, 1, (matrix,))
    if progress is not None:
        progress(stage, config.linear_examples, config.linear_examples, float(cost), float(check))
    return matrix


def _train_network(
    config: TrainingConfig,
    targets: Targets,
    features: RadialFeatures,
    matrix: Float,
    saved: Checkpoint,
    progress: Progress | None,
) -> tuple[tuple[Float, ...], tuple[Float, ...]]:
    """Train the network in its two stages; returns its kernels and biases."""
    problem = build_problem(
        config.head,
        targets,
        features,
        matrix,
        config.examples,
        config.seed,
        faces=config.faces,
        label_ridge=config.label_ridge,
    )
    rngs = nnx.Rngs(config.seed)
    network = CoefficientNetwork(len(INPUTS), config.hidden, problem.unwhiten, problem.offset, rngs=rngs)
    # The residuals of the linear part against the labels lie mostly along directions that do not affect the errors.
    label_steps = 0 if config.head == "corrected" else config.label_steps
    stages = (
        ("labels", label_steps, config.learning_rate, label_loss),
        ("errors", config.loss_steps, config.learning_rate / 3, error_loss(problem, config)),
    )
    for number, (stage, steps, rate, loss) in enumerate(stages):
        if steps:
            key = jax.random.fold_in(jax.random.key(config.seed), number)
            run = Stage(stage, loss, steps, config.batch, rate, key)
            descend(network, run, problem.examples, saved, progress)
    return network.export()
