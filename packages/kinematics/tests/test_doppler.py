"""Redshifted discs: frequencies worked out from f = f_rest / ((1 + z)(1 + v / c)) alone."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units
from kinematics import (
    C_KMS,
    Geometry,
    Level,
    RingDisc,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    galaxy_velocity_kms,
    log_radii,
    optical_velocity_kms,
    radio_velocity_kms,
    redshift,
    render_cube,
)
from scipy.special import ndtr

CO32_HZ = 345.796e9


@pytest.mark.parametrize("z", [0.0, 0.004, 0.03, 1.326])
def test_definitions_of_the_systemic_velocity(z):
    rest = CO32_HZ * units.Hz
    observed = rest / (1 + z)
    radio = observed.to_value(units.km / units.s, units.doppler_radio(rest))
    optical = observed.to_value(units.km / units.s, units.doppler_optical(rest))
    assert radio_velocity_kms(z) == pytest.approx(radio, rel=1e-12)
    assert optical_velocity_kms(radio) == pytest.approx(optical, rel=1e-12)
    assert redshift(radio) == pytest.approx(z, rel=1e-12)


@pytest.mark.parametrize("v", [-480.0, 0.0, 229.0])
def test_velocities_in_the_frame_of_the_galaxy(v):
    z = 0.05
    observed = CO32_HZ / ((1 + z) * (1 + v / C_KMS))
    radio = C_KMS * (1 - observed / CO32_HZ)
    assert galaxy_velocity_kms(radio, radio_velocity_kms(z)) == pytest.approx(v, abs=1e-8)


@partial(jax.jit, static_argnames=("n_channels",))
def spectrum(vsys_kms, sin_i_speed_kms, sigma_kms, first_kms, width_kms, n_channels):
    """Spectrum [Jy] of a narrow ring of 1 Jy km/s, seen at 60 degrees, in the middle of a small image."""
    radii, step = log_radii(1e-3, 20.0, 64)
    curve = RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), jnp.full(64, sin_i_speed_kms / np.sin(np.pi / 3)))
    cube = render_cube(
        RingDisc(1.5, 0.2),
        Geometry(np.pi / 3, 0.3, 0.0, 0.0, vsys_kms),
        curve,
        1.0,
        sigma_kms,
        SkyGrid(48, 0.1),
        VelocityGrid(first_kms, width_kms, n_channels),
        (Level(None, 4),),
    )
    return jnp.sum(cube, axis=(1, 2))


def band(z, width_hz, n_channels):
    """Ascending frequencies [Hz] about that of the galaxy, and the channels as radio velocities."""
    frequency = CO32_HZ / (1 + z) + width_hz * (np.arange(n_channels) - 0.5 * (n_channels - 1))
    grid = VelocityGrid.from_frequencies(frequency, width_hz, CO32_HZ)
    return frequency, grid


# The extremes are at f0 / (1 + z) / (1 -+ v / c): with v = 229 km/s, 512.9 and 227.1 MHz apart. Radio differences
# taken for v_los put them 528.3 MHz apart at any redshift.
@pytest.mark.parametrize(("z", "span_mhz"), [(0.03, 512.9), (1.326, 227.1)])
def test_a_ring_spans_frequencies_compressed_by_the_redshift(z, span_mhz):
    v, width_hz, n = 229.0, 2e6, 400
    frequency, grid = band(z, width_hz, n)
    exact = CO32_HZ / (1 + z) * (1 / (1 - v / C_KMS) - 1 / (1 + v / C_KMS))
    assert exact / 1e6 == pytest.approx(span_mhz, abs=0.05)
    line = np.asarray(spectrum(radio_velocity_kms(z), v, 0.5, grid.first_kms, grid.width_kms, n))
    filled = frequency[line > 1e-2 * line.max()]
    # Two channels: either end may fall anywhere in its own.
    assert abs(filled[-1] - filled[0] + width_hz - exact) < 2 * width_hz
    horns = frequency[[np.argmax(line[: n // 2]), n // 2 + np.argmax(line[n // 2 :])]]
    assert abs(np.diff(horns)[0] - exact) < 2 * width_hz


@pytest.mark.parametrize("z", [0.005, 0.3, 1.3])
def test_line_and_channel_edges_are_exact_and_so_is_the_flux(z):
    sigma, width_hz, n = 9.0, 3e6, 120
    frequency, grid = band(z, width_hz, n)
    edges = np.append(frequency - width_hz / 2, frequency[-1] + width_hz / 2)
    # Descending: the lowest frequency recedes fastest.
    velocity = C_KMS * (CO32_HZ / (1 + z) / edges - 1)
    share = ndtr(velocity[:-1] / sigma) - ndtr(velocity[1:] / sigma)
    line = np.asarray(spectrum(radio_velocity_kms(z), 0.0, sigma, grid.first_kms, grid.width_kms, n))
    # Flux per channel: 1 Jy km/s over the velocities that a channel spans at the galaxy's own frequency.
    at_rest_kms = C_KMS * width_hz / (CO32_HZ / (1 + z))
    np.testing.assert_allclose(line.sum() * at_rest_kms, 1.0, rtol=2e-4)  # the ring's tail leaves the image
    np.testing.assert_allclose(line / line.sum(), share, atol=1e-9)


def test_edges_are_not_evenly_spaced():
    # Half a band of 500 km/s: v^2 / c = 0.83 km/s.
    grid = VelocityGrid(500.0, 10.0, 101)
    edge = grid.middle_kms + 505.0
    exact = C_KMS * (1 / (1 - edge / C_KMS) - 1)
    assert grid.edges_about_middle_kms[0] == pytest.approx(exact, abs=1e-9)
    assert exact - 505.0 == pytest.approx(0.85, abs=0.01)


def test_single_precision_holds_high_redshifts():
    z, n = 1.3, 40
    _, grid = band(z, 1e6, n)
    vsys = radio_velocity_kms(z) + 0.003
    double = np.asarray(spectrum(vsys, 0.0, 3.0, grid.first_kms, grid.width_kms, n))

    radii, step = log_radii(1e-3, 20.0, 64)
    first, step, speed = (jnp.asarray(value, jnp.float32) for value in (radii[0], step, np.zeros(64)))
    curve = RotationCurve(first, step, speed)
    geometry = Geometry(*(jnp.float32(value) for value in (np.pi / 3, 0.3, 0.0, 0.0)), jnp.asarray(vsys))
    sky, levels = SkyGrid(48, 0.1), (Level(None, 4),)
    single = render_cube(RingDisc(1.5, 0.2), geometry, curve, 1.0, jnp.float32(3.0), sky, grid, levels)
    assert single.dtype == jnp.float32
    # Rounded to single precision vsys would be off by up to 8 m/s, 0.6 % of the steepest channel.
    np.testing.assert_allclose(single.sum(axis=(1, 2)), double, atol=2e-5 * double.max())
