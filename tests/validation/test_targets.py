"""MALA and NUTS on standard targets of known moments; and MALA where it is not the tool."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import MalaConfig, Monitor, find_mode, sample, summarize

from validation.targets.nuts import nuts
from validation.targets.problems import eight_schools, funnel, gaussian, quantities_of, regression


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def by_mala(target, **settings):
    config = MalaConfig(**({"seed": 2, "target_ess": 1000.0, "max_steps": 20_000} | settings))
    starts = 0.5 * np.random.default_rng(0).standard_normal((4, target.dim))
    mode = find_mode(target.log_density, starts)
    return sample(target.log_density, mode, config, monitor=Monitor(target.quantities))


def agrees(summary, target):
    """Means and standard deviations within 4 standard errors; those of squares are of half the ESS, to be safe."""
    assert np.max(np.abs(summary.mean - target.mean) / target.sd * np.sqrt(summary.ess_bulk)) < 4
    ess = np.minimum(summary.ess_bulk, summary.ess_tail) / 2
    assert np.max(np.abs(summary.sd / target.sd - 1) * np.sqrt(2 * ess)) < 4


def test_the_quadratures_are_those_of_posteriordb():
    """Means and standard deviations of its reference draws (eight_schools_noncentered): mu 4.41, 3.31; tau 3.6."""
    target = eight_schools()
    # Ten thousand reference draws, quoted to two digits.
    assert target.mean[0] == pytest.approx(4.4, abs=0.05)
    assert target.sd[0] == pytest.approx(3.3, abs=0.05)
    assert target.mean[2] == pytest.approx(6.2, abs=0.1)  # the first school, shrunk from 28


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [lambda: gaussian(2), lambda: gaussian(100), regression], ids=["2-d", "100-d", "fit"]
)
def test_moments_by_mala(make):
    target = make()
    result = by_mala(target)
    assert result.converged
    agrees(result.summary, target)


@pytest.mark.slow
def test_mala_and_nuts_agree_with_each_other_and_with_the_truth():
    target = eight_schools()
    result = by_mala(target, target_ess=2000.0)
    assert result.converged
    agrees(result.summary, target)
    starts = jnp.asarray(np.random.default_rng(1).standard_normal((4, target.dim)))
    other = summarize(quantities_of(target, nuts(target.log_density, starts, 1000, n_warmup=500).draws))
    agrees(other, target)
    # Two thousand effective draws of either: a standard error of 0.03 sigma in the mean, 0.03 in the width.
    assert np.max(np.abs(result.summary.mean - other.mean) / target.sd) < 0.1
    assert np.max(np.abs(result.summary.sd / other.sd - 1)) < 0.1


def test_a_funnel_is_not_for_mala_and_it_says_so():
    """One preconditioner for a neck and a mouth whose widths differ by a hundred: the chains do not mix."""
    target = funnel()
    result = by_mala(target, max_steps=4000, target_ess=400.0)
    assert not result.converged
    assert result.summary.min_ess < 400
