"""Plummer sphere against the integral of its density, its half-mass radius and Kepler's law far out."""

import jax
import numpy as np
import pytest
from kinematics import MASS, black_hole_velocity_squared
from kinematics.mass.plummer import plummer_velocity_squared
from scipy.integrate import quad

G = 4.30091e-3  # pc (km/s)^2 / Msun
MASS_MSUN, HALF_PC = 3e7, 4.0


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("radius", [0.1, 1.0, 4.0, 30.0])
def test_velocity_is_that_of_the_mass_within(radius):
    a = HALF_PC * np.sqrt(2 ** (2 / 3) - 1)
    density = 3 * MASS_MSUN / (4 * np.pi * a**3)
    within = quad(lambda r: 4 * np.pi * r**2 * density * (1 + (r / a) ** 2) ** -2.5, 0, radius, epsrel=1e-12)[0]
    found = plummer_velocity_squared(MASS_MSUN, HALF_PC, radius)
    # G is rounded to six digits.
    np.testing.assert_allclose(found, G * within / radius, rtol=3e-6)


def test_half_of_the_mass_lies_within_its_radius():
    within = plummer_velocity_squared(MASS_MSUN, HALF_PC, HALF_PC) * HALF_PC / G
    np.testing.assert_allclose(within, MASS_MSUN / 2, rtol=3e-6)


def test_far_out_it_is_a_point():
    far = np.array([400.0, 4000.0])
    # To first order short of it by 1.5 (a / r)^2.
    short = 1.5 * (HALF_PC * 0.76642 / far) ** 2
    kepler = black_hole_velocity_squared(MASS_MSUN, far)
    np.testing.assert_allclose(plummer_velocity_squared(MASS_MSUN, HALF_PC, far), kepler * (1 - short), rtol=1e-8)


def test_it_is_built_from_a_galaxys_parameters():
    built = MASS["plummer"]({"log10_cluster_mass": np.log10(MASS_MSUN), "cluster_half_mass_radius_pc": HALF_PC}, 0.0)
    radius = np.array([0.0, 2.0])
    expected = plummer_velocity_squared(MASS_MSUN, HALF_PC, radius)
    np.testing.assert_allclose(built.velocity_squared(radius), expected, rtol=1e-12)
    assert expected[0] == 0
