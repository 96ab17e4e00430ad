import dataclasses

import jax
import numpy as np
import pytest
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.train import train

from .support import SMALL


class KilledError(Exception):
    pass


@pytest.mark.slow
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
