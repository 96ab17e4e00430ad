import dataclasses

import numpy as np
import pytest
from steelyard.data.estimates import check_emission, data_estimates
from steelyard.data.velocity import channel_width_kms, velocities_kms
from steelyard.inference.problem import prepare
from steelyard_schemas import ContractError


def test_the_toy_seen_at_first_sight(toy, toy_grid):
    estimates = data_estimates(toy_grid, toy.line.rest_frequency_hz)
    truth = toy.truth
    # A plane through the voxels of a dirty cube: 10 degrees tell the sign (180) and a mirror image (100) apart.
    assert estimates.pa_deg == pytest.approx(truth["pa_deg"], abs=10)
    assert estimates.vsys_kms == pytest.approx(truth["vsys_kms"], abs=37.5), "half a channel"
    assert estimates.x0_arcsec == pytest.approx(truth["x0_arcsec"], abs=0.125), "half a pixel"
    assert estimates.y0_arcsec == pytest.approx(truth["y0_arcsec"], abs=0.125)
    # The mean radius of an exponential disc is two scales, less foreshortening, plus the beam.
    assert 1 < estimates.radius_arcsec / truth["disc_scale_arcsec"] < 3
    assert 0.4 < estimates.flux_jykms / truth["flux_jykms"] < 1.2, "short baselines miss some"
    assert estimates.peak_sigma > 10
    assert estimates.field_arcsec == pytest.approx(6.0)


def test_velocities_are_radio_and_descend(toy, toy_grid):
    velocity = velocities_kms(toy_grid, toy.line.rest_frequency_hz)
    # Made as 12 channels of 75 km/s in the galaxy's frame about 1500 km/s, which are 75 / (1 + z) wide in radio
    # velocity.
    width = 75 * (1 - 1500 / 299792.458)
    np.testing.assert_allclose(velocity, 1500 + width * (5.5 - np.arange(12)), atol=1e-6)
    assert channel_width_kms(toy_grid, toy.line.rest_frequency_hz, 1500.0) == pytest.approx(75.0, rel=1e-9)


def test_absorption_is_refused_in_one_line(toy, toy_grid):
    absorbed = dataclasses.replace(toy_grid, arrays={**toy_grid.arrays, "mean": -toy_grid["mean"]})
    told = r"shows the line in absorption, deepest at \d+\.\d times the noise .*: a disc of gas in emission cannot"
    for absorber in (False, True):
        with pytest.raises(ContractError, match=told):
            check_emission(absorbed, absorber=absorber)
    with pytest.raises(ContractError, match="shows the line in absorption"):
        prepare(toy, absorbed)
    check_emission(toy_grid, absorber=False)


def test_no_line_no_fit(toy, toy_grid):
    rng = np.random.default_rng(1)
    sigma = np.sqrt(toy_grid["variance"])
    noise = sigma * (rng.standard_normal(sigma.shape) + 1j * rng.standard_normal(sigma.shape))
    empty = dataclasses.replace(toy_grid, arrays={**toy_grid.arrays, "mean": noise.astype(np.complex64)})
    with pytest.raises(ContractError, match=r"no line emission.*check the rest frequency"):
        data_estimates(empty, toy.line.rest_frequency_hz)


def without(gridded, channels):
    """Return gridded data with channels emptied, as a band with a gap has them."""
    emptied = {name: gridded[name].copy() for name in ("mask", "mean", "variance")}
    for values in emptied.values():
        values[channels] = 0
    return dataclasses.replace(gridded, arrays={**gridded.arrays, **emptied})


def test_a_gap_in_the_band_is_passed_over(toy, toy_grid):
    whole = data_estimates(toy_grid, toy.line.rest_frequency_hz)
    found = data_estimates(without(toy_grid, [6]), toy.line.rest_frequency_hz)
    assert found.peak_sigma == pytest.approx(whole.peak_sigma, rel=0.2)
    assert found.pa_deg == pytest.approx(toy.truth["pa_deg"], abs=10)
    assert found.vsys_kms == pytest.approx(toy.truth["vsys_kms"], abs=37.5)
    # One of the twelve channels, the brightest no more than a fifth of the line.
    assert 0.8 < found.flux_jykms / whole.flux_jykms < 1


def test_data_of_no_channel_are_refused_in_words(toy, toy_grid):
    with pytest.raises(ContractError, match="has no channel with data"):
        data_estimates(without(toy_grid, slice(None)), toy.line.rest_frequency_hz)
    flat = dataclasses.replace(toy_grid, arrays={**toy_grid.arrays, "mean": np.zeros_like(toy_grid["mean"])})
    with pytest.raises(ContractError, match="dirty image without noise"):
        data_estimates(flat, toy.line.rest_frequency_hz)
