import dataclasses

import jax
import numpy as np
import pytest
from nuker_surrogate.expansion import heads
from nuker_surrogate.expansion.accuracy import worst_errors
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.train import train

from .support import SMALL


# Not direct: coefficients over fifteen decades are what it cannot learn (docs/surrogate/ablations.md).
@pytest.mark.slow
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


@pytest.mark.slow
def test_training_is_reproducible_and_depends_on_its_seed():
    config = dataclasses.replace(SMALL, loss_steps=100)
    first, again = train(config), train(config)
    other = train(dataclasses.replace(config, seed=1))
    for a, b in zip(jax.tree.leaves(first.weights), jax.tree.leaves(again.weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.weights.kernels[0], other.weights.kernels[0])
    assert not np.array_equal(first.weights.deconvolution, other.weights.deconvolution)


@pytest.mark.slow
def test_a_short_fit_already_beats_the_ridge_projector(reference):
    # The ridge projector has a median of 0.9 % and a 95th percentile of 4.9 %.
    trained = train(TrainingConfig(linear_examples=3000))
    c = np.asarray(heads.coefficients("linear", trained.weights, reference.params), np.float64)
    errors = worst_errors(c, trained.weights.features.sigma_pc, reference)["circular_velocity", 1.0]
    assert np.median(errors) < 0.001
    assert np.percentile(errors, 95) < 0.01


@pytest.mark.slow
def test_divergence_is_reported():
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(dataclasses.replace(SMALL, head="normalised", learning_rate=float("nan"), label_steps=100))
