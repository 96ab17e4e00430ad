"""Training: regression on least-squares labels, then descent on the errors themselves.

The first stage works in coordinates where the average loss is a plain square distance, so that it converges in
seconds; the second minimises the relative errors of profile and enclosed mass of each law.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from nuker_surrogate.dataset import Examples, Problem, build_problem
from nuker_surrogate.deprojection import Float
from nuker_surrogate.heads import INPUTS, Head, Weights, combine
from nuker_surrogate.network import CoefficientNetwork

Progress = Callable[[str, int, int, float, float], None]
"""Called as ``progress(stage, done, total, loss, held_out_loss)``."""

_CHUNK = 100  # steps per compiled call
_HELD_OUT = 0.05


@dataclass(frozen=True)
class TrainingConfig:
    """What, together with the package version, reproduces the weights.

    Attributes:
        head: see `heads.combine`.
        hidden: widths of the hidden layers.
        examples: laws drawn from the box; a twentieth is held out.
        label_steps: steps of the first stage; 0 skips it.
        loss_steps: steps of the second stage; 0 skips it.
        batch: laws per step.
        learning_rate: peak of the first stage's schedule; the second starts at a third of it.
        faces: chance of each parameter to lie on a face of the box.
        label_ridge: damping of the least-squares labels, and of the coefficients in the loss.
        linear_ridge: damping of the linear deconvolution.
        mass_weight: weight of the enclosed mass against the profile in the loss.
        seed: of the examples, the initial weights and the batches.
    """

    head: Head = "corrected"
    hidden: tuple[int, ...] = (64, 64, 64)
    examples: int = 60_000
    label_steps: int = 12_000
    loss_steps: int = 30_000
    batch: int = 512
    learning_rate: float = 3e-3
    faces: float = 0.2
    label_ridge: float = 1e-3
    linear_ridge: float = 3e-5
    mass_weight: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.head not in ("symexp", "normalised", "corrected"):
            raise ValueError(f"head is {self.head!r}, expected symexp, normalised or corrected")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}, expected at least one width of 1 or more")
        if self.batch < 1 or self.examples * _HELD_OUT < 1 or not 0 <= self.faces < 1:
            raise ValueError("batch must be 1 or more, examples 20 or more and faces in [0, 1)")
        if min(self.label_steps, self.loss_steps) < 0 or self.label_steps + self.loss_steps == 0:
            raise ValueError("label_steps and loss_steps must not be negative, nor both 0")

    def as_dict(self) -> dict[str, str | int | float | bool | tuple[float, ...]]:
        """Plain values for a manifest."""
        return asdict(self)


class Trained(NamedTuple):
    """Result of a training run.

    Attributes:
        config: what was asked for.
        weights: for `heads.coefficients`.
        sigma_pc: (n,) widths of the Gaussians [pc].
        held_out_loss: (n_chunks,) held-out loss of the last stage, after each hundred steps.
    """

    config: TrainingConfig
    weights: Weights
    sigma_pc: Float
    held_out_loss: Float


def train(config: TrainingConfig, progress: Progress | None = None) -> Trained:
    """Train a surrogate. Deterministic for a given configuration, machine and library version."""
    problem = build_problem(
        config.head,
        config.examples,
        config.seed,
        faces=config.faces,
        label_ridge=config.label_ridge,
        linear_ridge=config.linear_ridge,
    )
    rngs = nnx.Rngs(config.seed)
    network = CoefficientNetwork(len(INPUTS), config.hidden, problem.unwhiten, problem.offset, rngs=rngs)
    history = np.empty(0)
    stages = (
        ("labels", config.label_steps, config.learning_rate, label_loss),
        ("errors", config.loss_steps, config.learning_rate / 3, error_loss(problem, config)),
    )
    for number, (stage, steps, rate, loss) in enumerate(stages):
        if steps:
            key = jax.random.fold_in(jax.random.key(config.seed), number)
            history = _descend(network, loss, problem.examples, config.batch, steps, rate, key, stage, progress)
    kernels, biases = network.export()
    weights = Weights(problem.standardisation, kernels, biases, problem.sampling, problem.deconvolution)
    return Trained(config, weights, problem.sigma_pc, history)


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
        residuals = jnp.concatenate([profile, config.mass_weight**0.5 * mass, damping], axis=-1)
        if config.head == "symexp":
            # In units of the largest residual, whose own square would overflow.
            largest = jnp.max(jnp.abs(residuals), axis=-1, keepdims=True)
            return jnp.mean(jnp.log(jnp.sum((residuals / largest) ** 2, axis=-1)) + 2 * jnp.log(largest[:, 0]))
        return jnp.mean(jnp.sum(residuals**2, axis=-1))

    return loss


def _descend(
    network: CoefficientNetwork,
    loss: Loss,
    examples: Examples,
    batch: int,
    steps: int,
    rate: float,
    key: jax.Array,
    stage: str,
    progress: Progress | None,
) -> Float:
    """Adam with a cosine schedule, in place; returns the held-out loss after each chunk."""
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

    history, carry = [], (trainable, state)
    for start in range(0, steps, _CHUNK):
        n = min(_CHUNK, steps - start)
        keys = jax.random.split(jax.random.fold_in(key, start), n)
        carry, value, check = chunk(carry, keys)
        history.append(float(check))
        if not np.isfinite(history[-1]):
            raise FloatingPointError(
                f"training diverged in stage '{stage}' after {start + n} steps: lower the learning rate"
            )
        if progress is not None:
            progress(stage, start + n, steps, float(value), history[-1])
    nnx.update(network, carry[0])
    return np.array(history)
