"""Training: the linear deconvolution by least squares, a network by regression and descent.

The network first learns the least-squares labels, in coordinates where the average loss is a plain square distance,
so that it converges in seconds; then it minimises the relative errors of profile and enclosed mass of each law.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from nuker_surrogate.dataset import Examples, Problem, build_problem, draw_laws, input_standardisation
from nuker_surrogate.deconvolution import deconvolution_cost, fit_deconvolution
from nuker_surrogate.deprojection import Float
from nuker_surrogate.domain import from_box
from nuker_surrogate.features import RadialFeatures, radial_features
from nuker_surrogate.heads import HEADS, INPUTS, Head, Weights, combine
from nuker_surrogate.mge import sigma_grid_pc
from nuker_surrogate.network import CoefficientNetwork, check_widths
from nuker_surrogate.targets import Targets, loss_targets
from nuker_surrogate.training_file import TrainingFile

Progress = Callable[[str, int, int, float | None, float | None], None]
"""Called as ``progress(stage, done, total, loss, held_out_loss)``; None where they are not known yet."""

_CHUNK = 100  # steps per compiled call
_HELD_OUT = 0.05
_MOST_SIGMA = 10_000  # a hundred times the finest grid that was of use; the fit's matrix has its square


@dataclass(frozen=True)
class TrainingConfig:
    """What, together with the package version, reproduces the weights.

    Attributes:
        head: see `heads.combine`.
        n_sigma, smallest_pc, largest_pc: number and range of the Gaussians' log-uniform widths.
        mass_weight: weight of the enclosed mass against the profile.
        linear_examples, linear_faces, linear_ridge: of the linear deconvolution, see `fit_deconvolution`;
            faces is the chance of each parameter to lie on a face of the box.
        hidden: widths of the network's hidden layers.
        examples: laws that the network is trained on; a twentieth is held out.
        faces: chance of each of their parameters to lie on a face of the box.
        label_steps: steps of the network's first stage; 0 skips it, and the corrected head has none.
        loss_steps: steps of its second stage; 0 skips it.
        batch: laws per step.
        learning_rate: peak of the first stage's schedule; the second starts at a third of it.
        label_ridge: damping of the least-squares labels, and of the coefficients in the loss.
        seed: of the laws, the initial weights and the batches.
    """

    head: Head = "linear"
    n_sigma: int = 64
    smallest_pc: float = 1.0
    largest_pc: float = 1e4
    mass_weight: float = 1.0
    linear_examples: int = 40_000
    linear_faces: float = 0.05
    linear_ridge: float = 3e-4
    hidden: tuple[int, ...] = (64, 64, 64)
    examples: int = 60_000
    faces: float = 0.2
    label_steps: int = 12_000
    loss_steps: int = 30_000
    batch: int = 512
    learning_rate: float = 3e-3
    label_ridge: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.head not in HEADS:
            raise ValueError(f"head is {self.head!r}, expected {', '.join(HEADS[:-1])} or {HEADS[-1]}")
        if self.n_sigma > _MOST_SIGMA:
            raise ValueError(f"n_sigma is {self.n_sigma}, expected {_MOST_SIGMA:,} or fewer")
        if self.n_sigma < 2 or not 0 < self.smallest_pc < self.largest_pc or self.mass_weight < 0:
            raise ValueError("n_sigma must be 2 or more, widths ascend from above 0, mass_weight not be negative")
        if self.has_linear_part and (self.linear_examples < 1 or not 0 <= self.linear_faces < 1):
            raise ValueError("linear_examples must be 1 or more, and linear_faces in [0, 1)")
        if not self.has_network:
            return
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}, expected at least one width of 1 or more")
        check_widths((len(INPUTS), *self.hidden, self.n_sigma))
        if self.batch < 1 or self.examples * _HELD_OUT < 1 or not 0 <= self.faces < 1:
            raise ValueError("batch must be 1 or more, examples 20 or more and faces in [0, 1)")
        steps = (self.loss_steps,) if self.head == "corrected" else (self.label_steps, self.loss_steps)
        if min(self.label_steps, *steps) < 0 or sum(steps) == 0:
            raise ValueError("label_steps and loss_steps must not be negative, nor all that the head uses be 0")

    @property
    def has_network(self) -> bool:
        """Whether a network takes part."""
        return self.head != "linear"

    @property
    def has_linear_part(self) -> bool:
        """Whether the linear deconvolution takes part."""
        return self.head in ("linear", "corrected")

    def as_dict(self) -> dict[str, str | int | float | bool | tuple[float, ...]]:
        """Plain values for a manifest, less those that play no part."""
        unused = set() if self.has_linear_part else {"linear_examples", "linear_faces", "linear_ridge"}
        if not self.has_network:
            unused |= {"examples", "faces", "label_steps", "loss_steps", "batch", "learning_rate", "label_ridge"}
        values = {name: value for name, value in asdict(self).items() if name not in unused}
        return values if self.has_network else values | {"hidden": ()}


class Trained(NamedTuple):
    """Result of a training run.

    Attributes:
        config: what was asked for.
        weights: for `heads.coefficients`.
    """

    config: TrainingConfig
    weights: Weights


def train(config: TrainingConfig, progress: Progress | None = None, checkpoint: Path | None = None) -> Trained:
    """Train a surrogate. Deterministic for a given configuration, machine and library version.

    Args:
        config: what to train.
        progress: callback.
        checkpoint: file to save to and to resume from; none by default. A resumed run ends with the same weights.

    Raises:
        ValueError: the checkpoint is damaged or of another configuration.
        FloatingPointError: the training diverged.
    """
    saved = TrainingFile(checkpoint, repr(sorted(config.as_dict().items())))
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
    config: TrainingConfig, targets: Targets, features: RadialFeatures, saved: TrainingFile, progress: Progress | None
) -> Float:
    """The matrix of the linear deconvolution."""
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
    saved: TrainingFile,
    progress: Progress | None,
) -> tuple[tuple[Float, ...], tuple[Float, ...]]:
    """Kernels and biases."""
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
    # What the linear part leaves of the labels is mostly what the errors do not depend on.
    label_steps = 0 if config.head == "corrected" else config.label_steps
    stages = (
        ("labels", label_steps, config.learning_rate, label_loss),
        ("errors", config.loss_steps, config.learning_rate / 3, error_loss(problem, config)),
    )
    for number, (stage, steps, rate, loss) in enumerate(stages):
        if steps:
            key = jax.random.fold_in(jax.random.key(config.seed), number)
            run = _Stage(stage, loss, steps, config.batch, rate, key)
            _descend(network, run, problem.examples, saved, progress)
    return network.export()


Loss = Callable[[CoefficientNetwork, Examples], jax.Array]


def label_loss(network: CoefficientNetwork, batch: Examples) -> jax.Array:
    """Mean squared distance to the least-squares labels, in training coordinates."""
    return jnp.mean(jnp.sum((network.whitened(batch.inputs) - batch.labels) ** 2, axis=-1))


def error_loss(problem: Problem, config: TrainingConfig) -> Loss:
    """Mean over laws of the weighted squared relative errors of profile and enclosed mass.

    The ridge of the labels is part of it: without it the coefficients drift along directions that the radii do
    not see. The symexp head minimises the mean logarithm of the same cost, whose gradient stays of order one where
    a coefficient is decades off; the cost itself overflows there.
    """
    targets = problem.targets
    profile_basis, mass_basis, profile_weight, mass_weight = (
        jnp.asarray(part, jnp.float32)
        for part in (
            targets.profile_basis.T,
            targets.mass_basis_pc2.T,
            targets.profile_weight,
            targets.mass_weight,
        )
    )

    def loss(network: CoefficientNetwork, batch: Examples) -> jax.Array:
        c = combine(config.head, network(batch.inputs), batch.scale, batch.linear)
        profile = profile_weight * ((c @ profile_basis) / batch.profile - 1)
        mass = mass_weight * ((c @ mass_basis) / batch.mass_pc2 - 1)
        damping = config.label_ridge * c / batch.scale
        residuals = jnp.concatenate([profile, mass, damping], axis=-1)
        if config.head == "symexp":
            # In units of the largest residual, whose own square would overflow.
            largest = jnp.max(jnp.abs(residuals), axis=-1, keepdims=True)
            return jnp.mean(jnp.log(jnp.sum((residuals / largest) ** 2, axis=-1)) + 2 * jnp.log(largest[:, 0]))
        return jnp.mean(jnp.sum(residuals**2, axis=-1))

    return loss


class _Stage(NamedTuple):
    name: str
    loss: Loss
    steps: int
    batch: int
    rate: float
    key: jax.Array


def _descend(
    network: CoefficientNetwork, stage: _Stage, examples: Examples, saved: TrainingFile, progress: Progress | None
) -> None:
    """Adam with a cosine schedule, in place."""
    name, loss, steps, batch, rate, key = stage
    n_train = int(examples.inputs.shape[0] * (1 - _HELD_OUT))
    held_out = Examples(*(part[n_train:] for part in examples))
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, min(200, steps // 10), steps, rate / 1000)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))
    graph, trainable, fixed = nnx.split(network, nnx.Param, ...)
    state = optimiser.init(trainable)

    def step(carry: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        trainable, state = carry
        chosen = jax.random.randint(key, (batch,), 0, n_train)
        some = Examples(*(part[chosen] for part in examples))
        value, gradient = jax.value_and_grad(lambda p: loss(nnx.merge(graph, p, fixed), some))(trainable)
        updates, state = optimiser.update(gradient, state, trainable)
        return (optax.apply_updates(trainable, updates), state), value

    @jax.jit
    def chunk(carry: tuple, keys: jax.Array) -> tuple[tuple, jax.Array, jax.Array]:
        carry, values = jax.lax.scan(step, carry, keys)
        return carry, values.mean(), loss(nnx.merge(graph, carry[0], fixed), held_out)

    carry = (trainable, state)
    leaves, form = jax.tree.flatten(carry)
    before = saved.load(name)
    if before is not None:
        arrays = [jnp.asarray(kept, leaf.dtype) for kept, leaf in zip(before.arrays, leaves, strict=True)]
        carry = jax.tree.unflatten(form, arrays)
    for start in range(before.done if before else 0, steps, _CHUNK):
        n = min(_CHUNK, steps - start)
        keys = jax.random.split(jax.random.fold_in(key, start), n)
        carry, value, check = chunk(carry, keys)
        if not np.isfinite(check):
            raise FloatingPointError(
                f"training diverged in stage '{name}' after {start + n} steps: lower the learning rate"
            )
        saved.save(name, start + n, jax.tree.leaves(carry), final=start + n == steps)
        if progress is not None:
            progress(name, start + n, steps, float(value), float(check))
    nnx.update(network, carry[0])
