import dataclasses

import pytest

from .support import SMALL


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
        ("label_steps", -1, "must be 0 or more"),
        ("loss_steps", 0, "a stage that the head uses must have some"),
    ],
)
def test_bad_configurations_are_refused(field, value, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **{field: value})
