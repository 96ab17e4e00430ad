"""Systemic velocity and redshift of a galaxy: how they are quoted, and what a galaxy file may say of them."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from steelyard.data.cosmology import distance_warning
from steelyard.fitting.systemic import systemic_text, systemic_velocity
from steelyard.galaxy.parameters import resolve_parameters
from steelyard_schemas import ContractError, Galaxy

C_KMS = 299792.458


def test_the_three_forms_of_a_systemic_velocity():
    z = 0.03
    radio = C_KMS * z / (1 + z)
    draws = radio + np.array([[-2.0, 0.0], [0.0, 2.0]])
    found = systemic_velocity(draws, "LSRK")
    assert found.radio_kms == pytest.approx(8731.819, abs=1e-3)  # c z / (1 + z)
    assert found.optical_kms == pytest.approx(8993.774, abs=1e-3)  # c z
    assert found.redshift == pytest.approx(z, rel=1e-12)
    # Draws scatter by sqrt(2) km/s in radio velocity, by 1.03 times that in the galaxy's frame.
    assert found.sd_kms == pytest.approx(1.03 * math.sqrt(2), rel=1e-9)
    assert systemic_text(found).startswith(
        "systemic velocity 8731.8 km/s (radio), 8993.8 km/s (optical), z = 0.030000"
    )


def with_line(toy, **line):
    return Galaxy.model_validate({**toy.model_dump(), "line": {**toy.line.model_dump(), **line}})


def test_a_redshift_takes_the_place_of_a_prior(toy, toy_problem):
    z = 0.005
    prior = resolve_parameters(with_line(toy, redshift=z), toy_problem.estimates).priors["vsys_kms"]
    middle = C_KMS * z / (1 + z)
    # 300 km/s in the galaxy's frame on either side, as the band of 900 km/s about 1500 holds.
    assert (prior.low, prior.high) == pytest.approx((middle - 300 / (1 + z), middle + 300 / (1 + z)))


def test_a_redshift_that_the_data_do_not_cover_is_refused(toy, toy_problem):
    with pytest.raises(
        ContractError, match=r"redshift = 0\.3 puts CO\(2-1\) at 177\.337 GHz, but the data cover 229\.0"
    ):
        resolve_parameters(with_line(toy, redshift=0.3), toy_problem.estimates)


def test_a_redshift_beside_a_prior_is_refused(toy):
    priors = {"vsys_kms": {"kind": "normal", "mean": 1500.0, "sd": 5.0}}
    with pytest.raises(ValueError, match=r"line\.redshift and priors\.vsys_kms exclude each other"):
        Galaxy.model_validate({**with_line(toy, redshift=0.005).model_dump(), "priors": priors})


def distances(z):
    """Luminosity and angular-diameter distance [Mpc] of a flat universe, H0 = 70, Omega_m = 0.3."""
    along = C_KMS / 70 * quad(lambda x: 1 / math.sqrt(0.3 * (1 + x) ** 3 + 0.7), 0, z)[0]
    return along * (1 + z), along / (1 + z)


def test_a_luminosity_distance_is_noticed():
    luminosity, angular = distances(1.326)
    told = distance_warning(luminosity, 1.326)
    assert f"angular-diameter distance, {angular:.5g} Mpc" in told
    assert distance_warning(angular, 1.326) is None
    # Nearby the two are alike, and neither is what people use.
    assert distance_warning(distances(0.005)[0], 0.005) is None
