"""Circular velocities of Gaussian expansions against jampy, whose author gave the equations."""

import jax
import numpy as np
import pytest
from kinematics import (
    G_PC_KMS2_MSUN,
    MGE,
    BlackHole,
    ProjectedMge,
    axis_ratio_intrinsic,
    circular_velocity,
    pc_per_arcsec,
)

vcirc = pytest.importorskip(
    "jampy.mge_vcirc", reason="jampy is not installed: uv run --with jampy==7.2.6 pytest tests/peers"
).mge_vcirc

DISTANCE_MPC = 11.4
RADIUS_ARCSEC = np.geomspace(2e-3, 60.0, 80)
# NGC 4697 (mock_ngc4697.json), M/L 2.14.
SURFACE_DENSITY = 2.14 * np.array([379315.0, 60674.0, 27861.0, 17338.0, 11508.0, 4989.0, 2061.0, 3451.0])
SIGMA_ARCSEC = np.array([0.0524, 0.1866, 0.456, 0.9863, 2.328, 4.624, 6.442, 15.52])
Q_OBSERVED = np.array([0.932, 1.0, 0.863, 0.726, 0.541, 0.683, 0.318, 0.589])
JAMPY_G = 0.004301
"""G in pc (km/s)^2 / Msun as jampy rounds it: velocities, which go with its root, are 1e-5 larger than ours."""
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def jampy_curve(surface_density, sigma_arcsec, q_observed, inclination_deg, mbh, limit=1e6):
    """Return jampy's curve with our G; lengths in arcsec, observed axis ratios, degrees.

    Its integral over Chandrasekhar's u ends at 1000 times the largest sigma over the median one, but a Gaussian acts
    at u ~ R^2 / 2 sigma^2: far outside, its mass goes missing. A Gaussian without mass, `limit` times as wide as the
    widest, moves the end out of the way.
    """
    gaussians = (surface_density, sigma_arcsec, q_observed)
    if limit:
        gaussians = [np.append(*pair) for pair in zip(gaussians, (0, limit * max(sigma_arcsec), 1), strict=True)]
    theirs = vcirc(*gaussians, inclination_deg, mbh, DISTANCE_MPC, RADIUS_ARCSEC)
    return theirs * np.sqrt(G_PC_KMS2_MSUN / JAMPY_G)


def our_curve(surface_density, sigma_arcsec, q_observed, inclination_deg, mbh):
    scale = pc_per_arcsec(DISTANCE_MPC)
    inclination = np.radians(inclination_deg)
    mge = MGE(surface_density, sigma_arcsec * scale, axis_ratio_intrinsic(q_observed, inclination))
    return circular_velocity(RADIUS_ARCSEC * scale, (ProjectedMge(mge, inclination), BlackHole(mbh)))


def compare(*galaxy):
    np.testing.assert_allclose(our_curve(*galaxy), jampy_curve(*galaxy), rtol=TOLERANCE)


@pytest.mark.parametrize("mbh", [0.0, 10**8.114])
@pytest.mark.parametrize("inclination_deg", [73.0, 76.1, 90.0])
def test_an_observed_galaxy(inclination_deg, mbh):
    compare(SURFACE_DENSITY, SIGMA_ARCSEC, Q_OBSERVED, inclination_deg, mbh)


@pytest.mark.parametrize("inclination_deg", [20.0, 45.0, 64.0, 85.0])
@pytest.mark.parametrize("q", [0.1, 0.3, 0.7, 1.0])
def test_any_flattening_and_inclination(q, inclination_deg):
    inclination = np.radians(inclination_deg)
    q_observed = np.sqrt((q * np.sin(inclination)) ** 2 + np.cos(inclination) ** 2)
    for mbh in (0.0, 3e8):
        compare(SURFACE_DENSITY, SIGMA_ARCSEC, np.full(SIGMA_ARCSEC.size, q_observed), inclination_deg, mbh)


def test_a_black_hole_alone():
    # jampy wants a Gaussian: one of no mass.
    compare(np.array([1e-9]), np.array([1.0]), np.array([0.9]), 60.0, 1e8)


def test_as_it_is_jampy_loses_mass_far_outside():
    galaxy = (SURFACE_DENSITY, SIGMA_ARCSEC, Q_OBSERVED, 76.1, 0.0)
    difference = jampy_curve(*galaxy, limit=None) / our_curve(*galaxy) - 1
    near = RADIUS_ARCSEC < 1.0
    assert np.abs(difference[near]).max() < 1e-4
    # NGC 4697: 0.4 % of the velocity at an arcminute.
    assert difference[-1] == pytest.approx(-4e-3, abs=1e-3)
