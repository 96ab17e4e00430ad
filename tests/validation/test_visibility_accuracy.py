"""The model that is sampled, at its default settings, against quadrature that shares no code with it."""

import jax
import pytest

from validation.visibility_accuracy import RUNGS, WANTED, compare


# What the ladder asks of every disc, and what two reach instead: lines a tenth of a channel wide, and a disc edge-on,
# whose minor axis four subcells do not resolve.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "worst"),
    [
        ("base", WANTED),
        ("steep", WANTED),
        ("narrow", 1.2e-3),
        ("narrow, steep", WANTED),
        ("off-centre", WANTED),
        ("edge-on", 4e-3),
    ],
)
def test_visibilities_are_those_of_quadrature(name, worst):
    with jax.enable_x64(True):
        found = compare(RUNGS[name], 1500, 1536)
    assert found["converged"] < 0.1 * worst
    assert found["worst"] < worst
