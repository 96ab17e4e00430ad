"""Descent of the network: the loss that each stage minimises, and the optimiser."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from nuker_surrogate.expansion.heads import combine
from nuker_surrogate.progress import Progress
from nuker_surrogate.training.checkpoint import Checkpoint
from nuker_surrogate.training.config import HELD_OUT, TrainingConfig
from nuker_surrogate.training.dataset import Examples, Problem
from nuker_surrogate.training.network import CoefficientNetwork

Loss = Callable[[CoefficientNetwork, Examples], jax.Array]
"""Mean loss of a network over a batch of examples, a scalar."""

_Carry = tuple[nnx.State, optax.OptState]
_CHUNK = 100  # steps per compiled call


class Stage(NamedTuple):
    """Settings of a stage of the descent.

    Attributes:
        name: "labels" or "errors".
        loss: function to minimise.
        steps: number of steps.
        batch: laws per step.
        rate: peak learning rate.
        key: random key of the batches.
    """

    name: str
    loss: Loss
    steps: int
    batch: int
    rate: float
    key: jax.Array


def label_loss(network: CoefficientNetwork, batch: Examples) -> jax.Array:
    """Mean squared distance to the least-squares labels, in training coordinates."""
    return jnp.mean(jnp.sum((network.whitened(batch.inputs) - batch.labels) ** 2, axis=-1))


def error_loss(problem: Problem, config: TrainingConfig) -> Loss:
    """Build the mean over laws of the weighted squared relative errors of profile and enclosed mass.

    The loss includes the ridge of the labels: without it the coefficients drift along directions to which the
    profile and mass at these radii are insensitive. The symexp head minimises the mean logarithm of the same cost,
    whose gradient stays of order one where a coefficient is decades off; the cost itself overflows there.
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
            # Scaled by the largest residual, whose own square would overflow.
            largest = jnp.max(jnp.abs(residuals), axis=-1, keepdims=True)
            return jnp.mean(jnp.log(jnp.sum((residuals / largest) ** 2, axis=-1)) + 2 * jnp.log(largest[:, 0]))
        return jnp.mean(jnp.sum(residuals**2, axis=-1))

    return loss


def descend(
    network: CoefficientNetwork, stage: Stage, examples: Examples, saved: Checkpoint, progress: Progress | None
) -> None:
    """Run a stage by Adam with a cosine schedule, from its checkpoint if there is one; updates `network` in place.

    Raises:
        FloatingPointError: the training diverged.
    """
    optimiser = _optimiser(stage)
    trainable = nnx.state(network, nnx.Param)
    chunk = _compiled_chunk(network, stage, optimiser, examples)
    carry, done = _resumed((trainable, optimiser.init(trainable)), stage.name, saved)
    for start in range(done, stage.steps, _CHUNK):
        n = min(_CHUNK, stage.steps - start)
        keys = jax.random.split(jax.random.fold_in(stage.key, start), n)
        carry, value, check = chunk(carry, keys)
        if not np.isfinite(check):
            raise FloatingPointError(
                f"training diverged in stage '{stage.name}' after {start + n} steps: lower the learning rate"
            )
        saved.save(stage.name, start + n, jax.tree.leaves(carry), final=start + n == stage.steps)
        if progress is not None:
            progress(stage.name, start + n, stage.steps, float(value), float(check))
    nnx.update(network, carry[0])


def _optimiser(stage: Stage) -> optax.GradientTransformation:
    steps, rate = stage.steps, stage.rate
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, min(200, steps // 10), steps, rate / 1000)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))


def _compiled_chunk(
    network: CoefficientNetwork, stage: Stage, optimiser: optax.GradientTransformation, examples: Examples
) -> Callable[[_Carry, jax.Array], tuple[_Carry, jax.Array, jax.Array]]:
    """Compile a function of the carry and one key per step; returns the carry, mean loss and held-out loss."""
    n_train = int(examples.inputs.shape[0] * (1 - HELD_OUT))
    held_out = Examples(*(part[n_train:] for part in examples))
    graph, _, fixed = nnx.split(network, nnx.Param, ...)

    def step(carry: _Carry, key: jax.Array) -> tuple[_Carry, jax.Array]:
        trainable, state = carry
        chosen = jax.random.randint(key, (stage.batch,), 0, n_train)
        batch = Examples(*(part[chosen] for part in examples))
        value, gradient = jax.value_and_grad(lambda p: stage.loss(nnx.merge(graph, p, fixed), batch))(trainable)
        updates, state = optimiser.update(gradient, state, trainable)
        return (optax.apply_updates(trainable, updates), state), value

    @jax.jit
    def chunk(carry: _Carry, keys: jax.Array) -> tuple[_Carry, jax.Array, jax.Array]:
        carry, values = jax.lax.scan(step, carry, keys)
        return carry, values.mean(), stage.loss(nnx.merge(graph, carry[0], fixed), held_out)

    return chunk


def _resumed(carry: _Carry, stage: str, saved: Checkpoint) -> tuple[_Carry, int]:
    """Carry and number of steps done, from the checkpoint if the stage has begun."""
    before = saved.load(stage)
    if before is None:
        return carry, 0
    leaves, form = jax.tree.flatten(carry)
    arrays = [jnp.asarray(kept, leaf.dtype) for kept, leaf in zip(before.arrays, leaves, strict=True)]
    return jax.tree.unflatten(form, arrays), before.done
