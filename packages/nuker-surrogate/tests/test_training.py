import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nuker_surrogate import heads
from nuker_surrogate.dataset import build_problem
from nuker_surrogate.evaluate import worst_errors
from nuker_surrogate.heads import combine, dense, symexp, symlog
from nuker_surrogate.network import CoefficientNetwork
from nuker_surrogate.train import TrainingConfig, train

SMALL = TrainingConfig(hidden=(16, 16), examples=600, label_steps=300, loss_steps=300, batch=64)


def test_symexp_and_symlog_are_inverse():
    # Over the fifteen decades that the coefficients span, both signs; 1e-12 in float64.
    c = np.concatenate([-np.geomspace(1e-12, 1e3, 31), [0.0], np.geomspace(1e-12, 1e3, 31)])
    with jax.enable_x64(True):
        np.testing.assert_allclose(symexp(jnp.asarray(symlog(c))), c, rtol=1e-12)
        assert float(symexp(jnp.asarray(3.0))) == pytest.approx(1e-12 * (1e3 - 1), rel=1e-12)


@pytest.mark.parametrize("head", ["symexp", "normalised", "corrected"])
def test_perfect_labels_give_back_the_least_squares_solution(head):
    # Undoing the output coordinates of the labels must give coefficients as good as the floor: 1e-3 for float32
    # arrays, against the 1e-4 of the solution itself.
    problem = build_problem(head, 100, 5, faces=0.1, label_ridge=1e-3, linear_ridge=3e-5)
    e = problem.examples
    raw = np.asarray(e.labels, np.float64) @ problem.unwhiten + problem.offset
    with jax.enable_x64(True):
        c = np.asarray(combine(head, jnp.asarray(raw), np.float64(e.scale), np.float64(e.linear)))
    mass = c @ problem.targets.mass_basis_pc2.T / np.asarray(e.mass_pc2, np.float64) - 1
    assert np.abs(mass[:, problem.targets.mass_weight == 1]).max() < 0.01


def test_folding_the_output_map_changes_nothing():
    rng = np.random.default_rng(0)
    unwhiten, offset = rng.normal(size=(7, 7)), rng.normal(size=7)
    network = CoefficientNetwork(5, (8, 6), unwhiten, offset, rngs=nnx.Rngs(1))
    network.layers[-1].kernel[...] = rng.normal(size=(6, 7))
    x = jnp.asarray(rng.normal(size=(10, 5)), jnp.float32)
    np.testing.assert_allclose(dense(*network.export(), x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["symexp", "normalised", "corrected"])
def test_both_stages_reduce_their_held_out_loss(head):
    seen: dict[str, list[float]] = {}
    config = dataclasses.replace(SMALL, head=head)
    train(config, lambda stage, done, total, loss, held_out: seen.setdefault(stage, []).append(held_out))
    assert set(seen) == {"labels", "errors"}
    for losses in seen.values():
        assert len(losses) == 3  # one per hundred steps
        assert losses[-1] < losses[0]


def test_training_is_reproducible_and_depends_on_its_seed():
    config = dataclasses.replace(SMALL, label_steps=100, loss_steps=0)
    first, again = train(config), train(config)
    other = train(dataclasses.replace(config, seed=1))
    for a, b in zip(jax.tree.leaves(first.weights), jax.tree.leaves(again.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.weights.kernels[0], other.weights.kernels[0])


def test_a_short_training_already_beats_the_ridge_projector(reference):
    # The linear part alone has a median of 0.1 % and a 95th percentile of 0.3 %; the ridge projector 0.9 and 4.9.
    config = TrainingConfig(hidden=(32, 32), examples=4000, label_steps=800, loss_steps=0, batch=256)
    trained = train(config)
    c = np.asarray(heads.coefficients("corrected", trained.weights, reference.params), np.float64)
    errors = worst_errors(c, trained.sigma_pc, reference)["circular_velocity", 1.0]
    assert np.median(errors) < 0.003
    assert np.percentile(errors, 95) < 0.01


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("head", "tanh", "expected symexp"),
        ("hidden", (), "at least one width"),
        ("examples", 3, "examples 20 or more"),
        ("label_steps", -1, "not be negative"),
    ],
)
def test_bad_configurations_are_refused(field, value, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **{field: value})


def test_divergence_is_reported():
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(dataclasses.replace(SMALL, learning_rate=float("nan"), label_steps=100))
