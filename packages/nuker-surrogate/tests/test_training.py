import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nuker_surrogate import heads
from nuker_surrogate.dataset import build_problem
from nuker_surrogate.deconvolution import fit_deconvolution
from nuker_surrogate.domain import from_box, sample_box
from nuker_surrogate.evaluate import worst_errors
from nuker_surrogate.features import radial_features
from nuker_surrogate.heads import combine, dense, symexp, symlog
from nuker_surrogate.mge import sigma_grid_pc
from nuker_surrogate.network import CoefficientNetwork
from nuker_surrogate.targets import loss_targets
from nuker_surrogate.train import TrainingConfig, train

SMALL = TrainingConfig(
    head="corrected",
    linear_examples=400,
    hidden=(16, 16),
    examples=600,
    label_steps=300,
    loss_steps=300,
    batch=64,
)


def test_symexp_and_symlog_are_inverse():
    # Over the fifteen decades that the coefficients span, both signs; 1e-12 in float64.
    c = np.concatenate([-np.geomspace(1e-12, 1e3, 31), [0.0], np.geomspace(1e-12, 1e3, 31)])
    with jax.enable_x64(True):
        np.testing.assert_allclose(symexp(jnp.asarray(symlog(c))), c, rtol=1e-12)
        assert float(symexp(jnp.asarray(3.0))) == pytest.approx(1e-12 * (1e3 - 1), rel=1e-12)


@pytest.mark.parametrize("head", ["corrected", "normalised", "symexp"])
def test_perfect_labels_give_back_the_least_squares_solution(head):
    # Undoing the output coordinates of the labels must give coefficients as good as the floor: 1e-3 for float32
    # arrays, against the 1e-4 of the solution itself.
    sigma = sigma_grid_pc()
    targets, features = loss_targets(sigma), radial_features(sigma)
    matrix = np.zeros((features.n_features, sigma.size))
    if head == "corrected":
        laws = from_box(sample_box(300, np.random.default_rng(1)))
        matrix = fit_deconvolution(targets, features, laws, ridge=1e-3)
    problem = build_problem(head, targets, features, matrix, 100, 5, faces=0.1, label_ridge=1e-3)
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


# Not direct: coefficients over fifteen decades are what it cannot learn (docs/surrogate/ablations.md).
@pytest.mark.parametrize("head", ["corrected", "normalised", "symexp"])
def test_both_stages_reduce_their_held_out_loss(head):
    seen: dict[str, list[float]] = {}

    def note(stage, done, total, loss, held_out):
        if loss is not None:
            seen.setdefault(stage, []).append(held_out)

    train(dataclasses.replace(SMALL, head=head), note)
    assert list(seen) == (["linear", "errors"] if head == "corrected" else ["labels", "errors"])
    for stage in seen.keys() - {"linear"}:
        assert len(seen[stage]) == 3  # one per hundred steps
        assert seen[stage][-1] < seen[stage][0]


def test_training_is_reproducible_and_depends_on_its_seed():
    config = dataclasses.replace(SMALL, loss_steps=100)
    first, again = train(config), train(config)
    other = train(dataclasses.replace(config, seed=1))
    for a, b in zip(jax.tree.leaves(first.weights), jax.tree.leaves(again.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.weights.kernels[0], other.weights.kernels[0])
    assert not np.array_equal(first.weights.deconvolution, other.weights.deconvolution)


class KilledError(Exception):
    pass


@pytest.mark.parametrize(
    ("head", "kill"),
    [
        ("corrected", ("linear", 400)),
        ("corrected", ("errors", 200)),
        ("normalised", ("labels", 200)),
        ("normalised", ("labels", 300)),
        ("symexp", ("errors", 100)),
    ],
)
def test_a_killed_training_goes_on_and_ends_the_same(tmp_path, head, kill):
    path, seen, config = tmp_path / "training.npz", [], dataclasses.replace(SMALL, head=head)

    def die(stage, done, total, loss, held_out):
        if (stage, done) == kill:
            raise KilledError

    with pytest.raises(KilledError):
        train(config, die, path)
    resumed = train(config, lambda stage, done, *_: seen.append((stage, done)), path)
    assert kill not in seen  # what was done is not done again
    for a, b in zip(jax.tree.leaves(train(config).weights), jax.tree.leaves(resumed.weights), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_in_progress_of_another_configuration_is_refused(tmp_path):
    path = tmp_path / "training.npz"
    small = TrainingConfig(linear_examples=100)
    train(small, None, path)
    with pytest.raises(ValueError, match="another configuration"):
        train(dataclasses.replace(small, seed=1), None, path)
    for damage in (b"", path.read_bytes()[:1000]):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"training\.npz: cannot be read"):
            train(small, None, path)


def test_a_short_fit_already_beats_the_ridge_projector(reference):
    # The ridge projector has a median of 0.9 % and a 95th percentile of 4.9 %.
    trained = train(TrainingConfig(linear_examples=3000))
    c = np.asarray(heads.coefficients("linear", trained.weights, reference.params), np.float64)
    errors = worst_errors(c, trained.weights.features.sigma_pc, reference)["circular_velocity", 1.0]
    assert np.median(errors) < 0.001
    assert np.percentile(errors, 95) < 0.01


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("head", "tanh", "expected linear, corrected"),
        ("hidden", (), "at least one width"),
        ("hidden", (10**12,), r"layers of \(5, 1000000000000, 64\) have more weights"),
        ("n_sigma", 10**12, "expected 10,000 or fewer"),
        ("examples", 3, "examples 20 or more"),
        ("linear_examples", 0, "linear_examples must be 1"),
        ("n_sigma", 1, "n_sigma must be 2"),
        ("label_steps", -1, "not be negative"),
        ("loss_steps", 0, "all that the head uses be 0"),
    ],
)
def test_bad_configurations_are_refused(field, value, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **{field: value})


def test_divergence_is_reported():
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(dataclasses.replace(SMALL, head="normalised", learning_rate=float("nan"), label_steps=100))
