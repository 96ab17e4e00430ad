import pytest
from sampler import MalaConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_chains": 1}, "n_chains"),
        ({"thin": 4}, "thin"),
        ({"max_steps": 3}, "max_steps"),
        ({"target_rhat": 1.0}, "target_rhat"),
        ({"n_warmup": 0}, "n_warmup"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MalaConfig(**settings)
