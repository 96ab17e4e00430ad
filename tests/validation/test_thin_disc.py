"""The reference of the benchmarks against closed forms."""

import numpy as np
import pytest

from validation.thin_disc import ARCSEC, C_M_S, circular_velocity, gaussian_beam, thin_disc

REST_HZ = 230.538e9
NPIX, CELL_ARCSEC = 45, 0.2
GALAXY = {
    "inclination_deg": 50.0,
    "pa_deg": 30.0,
    "x0_arcsec": 0.3,
    "y0_arcsec": -0.2,
    "vsys_kms": 1500.0,
    "sigma_gas_kms": 10.0,
    "disc_scale_arcsec": 0.4,
    "flux_jykms": 5.0,
}


STRETCH = 1 / (1 - GALAXY["vsys_kms"] / (C_M_S / 1e3))
"""Factor 1 + z from differences of radio velocity to velocities in the galaxy's frame."""


def disc(channels, width_kms, beam):
    """Return the channels' radio velocities and the reference; `width_kms` is that in the galaxy's frame."""
    width_kms = width_kms / STRETCH
    velocity = GALAXY["vsys_kms"] + width_kms * ((channels - 1) / 2 - np.arange(channels))
    frequency = REST_HZ * (1 - velocity / (C_M_S / 1e3))

    def speed(radius_arcsec):
        return np.full(radius_arcsec.shape, 200.0)

    return velocity, thin_disc(GALAXY, speed, frequency, REST_HZ, NPIX, CELL_ARCSEC, None, beam, 600, 512)


def no_beam(distance_arcsec, _):
    return np.ones_like(distance_arcsec)


def test_all_channels_together_are_the_transform_of_an_exponential_disc():
    _, found = disc(4, 300.0, no_beam)
    u = np.fft.rfftfreq(NPIX, CELL_ARCSEC * ARCSEC)
    v = np.fft.fftfreq(NPIX, CELL_ARCSEC * ARCSEC)[:, None]
    pa, inclination = (np.radians(GALAXY[name]) for name in ("pa_deg", "inclination_deg"))
    along = u * np.sin(pa) + v * np.cos(pa)
    across = (v * np.sin(pa) - u * np.cos(pa)) * np.cos(inclination)
    square = (2 * np.pi * GALAXY["disc_scale_arcsec"] * ARCSEC) ** 2 * (along**2 + across**2)
    phase = 2 * np.pi * ARCSEC * (u * GALAXY["x0_arcsec"] + v * GALAXY["y0_arcsec"])
    expected = GALAXY["flux_jykms"] * (1 + square) ** -1.5 * np.exp(1j * phase)
    # The disc is cut at a thousandth of an arcsec, within which lies 3e-6 of it.
    np.testing.assert_allclose(found.visibilities.sum(axis=0) * 300.0, expected, atol=3e-5)
    assert found.flux_jykms == pytest.approx(5.0, rel=1e-5)


def test_its_moments_are_those_of_a_disc_in_rotation():
    velocity, found = disc(40, 20.0, no_beam)
    share = found.visibilities[:, 0, 0].real * 20.0 / GALAXY["flux_jykms"]
    # In the galaxy's frame <v> = 0, but for channels as wide in frequency, in which <v^2> / c goes; variance
    # (v sin i)^2 / 2 + sigma^2, and that of a channel.
    at_rest = (velocity - 1500.0) / (1 - velocity / (C_M_S / 1e3))
    variance = (200 * np.sin(np.radians(50.0))) ** 2 / 2 + 10.0**2 + 20.0**2 / 12
    assert share @ at_rest == pytest.approx(0, abs=0.01)
    assert share @ at_rest**2 == pytest.approx(variance, rel=1e-4)
    # The receding half lies towards the position angle: the phase of its short baselines says where.
    receding, approaching = (found.visibilities[side].sum(axis=0) for side in (velocity > 1580, velocity < 1420))
    unit = 2 * np.pi / (NPIX * CELL_ARCSEC)
    east, north = (np.angle(receding[at] / approaching[at]) / unit for at in ((0, 1), (1, 0)))
    assert np.degrees(np.arctan2(east, north)) == pytest.approx(30.0, abs=1.0)


def test_the_primary_beam_dims_by_half_at_half_its_width():
    beam = gaussian_beam(12.0)
    fwhm_arcsec = 1.13 * C_M_S / REST_HZ / 12.0 / ARCSEC
    assert beam(fwhm_arcsec / 2, REST_HZ) == pytest.approx(0.5)


def test_far_out_gaussians_and_a_black_hole_are_point_masses():
    mass, sigma_pc, q, inclination = 1e9, 10.0, 0.6, np.radians(70.0)
    q_observed = np.hypot(q * np.sin(inclination), np.cos(inclination))
    density = mass / (2 * np.pi * sigma_pc**2 * q_observed)
    found = circular_velocity(np.array([1e4]), np.array([density]), np.array([sigma_pc]), q, inclination, 1e9)
    # The quadrupole of an oblate body adds (3/2) (1 - q^2) sigma^2 / R^2 / 2, less than 1e-6 here.
    assert found[0] == pytest.approx(np.sqrt(4.300917e-3 * 2e9 / 1e4), rel=1e-6)
