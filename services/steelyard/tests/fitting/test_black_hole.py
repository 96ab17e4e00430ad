import numpy as np
import pytest
from steelyard.fitting.black_hole import black_hole_verdict
from steelyard.report.page import headline
from steelyard_schemas.priors import Normal, Uniform

PRIOR = Uniform(low=4.0, high=10.5)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_a_narrow_peak_is_a_mass(rng):
    hole = black_hole_verdict(rng.normal(8.1, 0.05, (4, 1000)), PRIOR)
    assert hole.verdict == "measured"
    # 4000 independent draws give the median to 0.001.
    assert hole.log10_mbh == pytest.approx(8.1, abs=0.005)
    assert hole.log10_mbh_q84 - hole.log10_mbh_q16 == pytest.approx(0.1, rel=0.1)
    assert headline(hole).startswith("log10(M_BH / Msun) = 8.")


def test_a_posterior_that_is_the_prior_up_to_an_edge_is_an_upper_limit(rng):
    hole = black_hole_verdict(rng.uniform(4.0, 7.5, (4, 1000)), PRIOR)
    assert hole.verdict == "upper_limit"
    assert hole.log10_mbh_upper95 == pytest.approx(4 + 0.95 * 3.5, abs=0.05)
    assert "do not require a black hole" in hole.reason
    assert "<" in headline(hole)


def test_a_peak_on_a_plateau_is_no_mass(rng):
    # A third of the posterior is where there might be no black hole at all.
    draws = np.concatenate([rng.normal(7.5, 0.1, 2000), rng.uniform(4, 7.5, 1000)])
    assert black_hole_verdict(draws, PRIOR).verdict == "upper_limit"


def test_the_prior_again_says_nothing(rng):
    hole = black_hole_verdict(rng.uniform(4.0, 10.5, (4, 1000)), PRIOR)
    assert hole.verdict == "unconstrained"
    assert "not constrained" in headline(hole)


def test_a_lower_limit_is_no_mass(rng):
    assert black_hole_verdict(rng.uniform(6.0, 10.5, 4000), PRIOR).verdict == "unconstrained"


def test_a_normal_prior_without_bounds(rng):
    hole = black_hole_verdict(rng.normal(8.0, 0.05, 4000), Normal(mean=7.0, sd=1.0))
    assert hole.verdict == "measured"


def test_a_fixed_mass_is_quoted_as_fixed():
    hole = black_hole_verdict(None, None, 8.25)
    assert (hole.verdict, hole.log10_mbh) == ("fixed", 8.25)
    assert headline(hole).endswith("fixed")
