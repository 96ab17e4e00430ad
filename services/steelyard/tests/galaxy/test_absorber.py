"""A galaxy file with a central absorber: parameters, simulation and model."""

import jax
import numpy as np
import pytest
from steelyard.galaxy.predict import predicted_means
from steelyard.inference.density import cell_data, residual_squared
from steelyard.inference.problem import prepare
from steelyard_schemas import Galaxy
from vis_gridder import GridSpec, grid

GAS = {"absorber_tau": 0.8, "absorber_velocity_kms": 60.0, "absorber_sigma_kms": 40.0}


@pytest.fixture(scope="module")
def absorbed(toy):
    """The toy galaxy with a bright nucleus and gas in front of it."""
    truth = {**toy.truth, **GAS}
    return Galaxy.model_validate({**toy.model_dump(), "absorber": {"continuum_jy": 0.05}, "truth": truth})


def test_its_parameters(absorbed, toy):
    assert {p.name for p in absorbed.parameters} - {p.name for p in toy.parameters} == set(GAS)


@pytest.mark.slow
def test_the_truth_fits_and_without_absorption_it_does_not(absorbed, toy, observe_toy):
    vis = observe_toy(absorbed, noise_jy=0.03)
    data = grid(vis, GridSpec(0.25, 24, rest_frequency_hz=230.538e9))
    with jax.enable_x64(True):
        problem, without = prepare(absorbed, data), prepare(toy, data)
        cells = cell_data(problem.data, problem.model.uv_cells)

        def chi2(model, truth):
            squared = residual_squared(predicted_means(model, truth), cells)
            return float(np.sum(squared)), 2 * int(np.count_nonzero(np.asarray(cells.inverse_variance)))

        truth = {"distance_mpc": 10.0, **absorbed.truth}
        found, n = chi2(problem.model, truth)
        lacking, _ = chi2(without.model, truth)
    # Estimated variances: five standard errors of chi-square.
    assert abs(found - n) < 5 * np.sqrt(2 * n)
    # 28 mJy on every baseline of the four channels that the line fills.
    assert lacking > found + 500


def test_an_absorber_needs_positive_widths(absorbed):
    bad = {**absorbed.model_dump(), "priors": {"absorber_sigma_kms": {"kind": "normal", "mean": 5.0, "sd": 3.0}}}
    with pytest.raises(ValueError, match="absorber_sigma_kms must stay positive"):
        Galaxy.model_validate(bad)
