"""How far a prior was narrowed, against closed forms."""

import numpy as np
import pytest
from sampler import LogUniform, Normal, Sine, Uniform
from steelyard.fitting.contraction import contraction, prior_quantiles, unconstrained
from steelyard_schemas import Posterior, read_store

EVEN = (np.arange(100_000) + 0.5) / 100_000


def test_the_quantiles_of_each_prior():
    np.testing.assert_allclose(prior_quantiles(np.array([2.0, 3.0]), Uniform(1.0, 5.0)), [0.25, 0.5], rtol=1e-12)
    np.testing.assert_allclose(prior_quantiles(np.array([10.0]), LogUniform(1.0, 1000.0)), [1 / 3], rtol=1e-12)
    isotropic = prior_quantiles(np.array([60.0]), Sine(0.0, 90.0, degrees=True))
    np.testing.assert_allclose(isotropic, [0.5], rtol=1e-12)  # half of all discs are seen at more than 60 degrees


def test_nothing_learnt_is_0_and_half_a_range_is_a_half():
    assert contraction(3 + 4 * EVEN, Uniform(3.0, 7.0)) == pytest.approx(0.0, abs=1e-9)
    assert contraction(3 + 2 * EVEN, Uniform(3.0, 7.0)) == pytest.approx(0.5, abs=1e-9)
    # The scale of the prior counts: the lower half of the logarithm, a small part of the range itself.
    assert contraction(10 ** (2 * EVEN), LogUniform(1.0, 1e4)) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("width", [0.01, 0.5, 1.0, 2.0])
def test_a_gaussian_within_a_gaussian_prior(width):
    """For x ~ N(0, w), Phi(x) has variance arcsin(w^2 / (1 + w^2)) / 2 pi (Owen 1980): 1 / 12 at w = 1."""
    draws = 5.0 + 3.0 * width * np.random.default_rng(1).standard_normal(400_000)
    expected = 1 - np.sqrt(12 * np.arcsin(width**2 / (1 + width**2)) / (2 * np.pi))
    # The standard deviation of 4e5 draws is good to 0.0011.
    assert contraction(draws, Normal(5.0, 3.0)) == pytest.approx(expected, abs=0.005)


def test_a_narrow_posterior_far_from_zero_keeps_its_digits():
    draws = 1000.5 + 1e-6 * (EVEN - 0.5)
    assert contraction(draws, Uniform(1000.0, 1001.0)) == pytest.approx(1 - 1e-6, abs=1e-9)


def test_a_fit_tells_what_its_data_do_not_constrain(finished):
    posterior = read_store(finished.folder / "posterior.zarr", Posterior)
    manifest = posterior.manifest
    for p in manifest.parameters:
        if p.prior.kind == "uniform":
            expected = 1 - p.sd * np.sqrt(12) / (p.prior.high - p.prior.low)
            # The summary's sd has n - 1 below it: one part in ten thousand.
            assert p.contraction == pytest.approx(expected, abs=1e-4)
    assert unconstrained(manifest) == ()
    loose = manifest.parameters[1].model_copy(update={"contraction": 0.1})
    unknown = manifest.parameters[2].model_copy(update={"contraction": None})
    changed = manifest.model_copy(update={"parameters": (manifest.parameters[0], loose, unknown)})
    assert unconstrained(changed) == (loose.name,)
