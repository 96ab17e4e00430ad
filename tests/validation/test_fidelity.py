"""What the gridder makes of a sky and what the model says of it, from two packages that do not know each other."""

import numpy as np
import pytest
from kinematics import SkyGrid, UvCells, uv_track
from steelyard.galaxy.grid import cell_moments_of
from steelyard_schemas import Observation, Store, Visibilities
from vis_gridder import GridSpec, grid, taper
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S

FREQUENCY_HZ = 229.5e9
CELL_ARCSEC = 0.12
# mock_ngc4697: 0.045 Jy in each of two hands, 120 s integrations, half an hour; 40 mJy in its brightest channel.
NOISE_JY = 0.045 / np.sqrt(2)
FLUX_JY = 0.04


def gaussian(rng):
    return np.array([[1.0], [-0.5]]) + rng.normal(0, 1.0 / 2.355, (2, 3000))


def point(rng):
    return np.array([[1.3], [0.8]])


def rotating_disc(rng):
    # The channel 200 km/s from systemic: gas on one side, beyond 0.8 arcsec along the major axis.
    radius, azimuth = rng.gamma(2.0, 1.3, 20_000), rng.uniform(0, 2 * np.pi, 20_000)
    velocity = 250 * np.tanh(radius / 0.5) * np.cos(azimuth)
    along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * np.cos(np.radians(76))
    here = np.abs(velocity - 200) < 8
    pa = np.radians(246.0)
    return np.array(
        [along * np.sin(pa) - across * np.cos(pa), along * np.cos(pa) + across * np.sin(pa)],
    )[:, here]


def transform(sky_rad, flux, u, v):
    """Return the sum over point sources of S exp(+2 pi i (u l + v m))."""
    phase = 2 * np.pi * (np.multiply.outer(u, sky_rad[0]) + np.multiply.outer(v, sky_rad[1]))
    return np.exp(1j * phase) @ flux


@pytest.fixture(scope="module")
def track():
    rng = np.random.default_rng(3)
    # Stations within some 400 m, denser in the middle: all baselines on the grid, many of them short.
    stations = np.column_stack([rng.normal(0, 185, (30, 2)), np.zeros(30)])
    return uv_track(stations, -23.0, -5.8, -0.25, 0.25, 120.0)


def observed(track, vis):
    rows = track._asdict()
    shape = (rows["u_m"].size, 1)
    observation = Observation(
        target="sky",
        telescope="ALMA",
        dish_diameter_m=12.0,
        phase_centre_ra_deg=192.0,
        phase_centre_dec_deg=-5.8,
        frequency_frame="LSRK",
        rest_frequency_hz=230.538e9,
    )
    arrays = rows | {
        "vis": vis.astype(np.complex64).reshape(shape),
        "weight": np.full(shape, NOISE_JY**-2, np.float32),
        "flag": np.zeros(shape, bool),
        "frequency_hz": np.array([FREQUENCY_HZ]),
        "channel_width_hz": np.array([1e7]),
    }
    return Store(Visibilities(observation=observation, source="sky"), arrays)


@pytest.mark.slow
@pytest.mark.parametrize("sky", [gaussian, point, rotating_disc])
def test_the_model_is_right_to_a_tenth_of_a_sigma_in_every_cell(track, sky):
    rng = np.random.default_rng(4)
    sky_rad = sky(rng) * ARCSEC
    flux = np.full(sky_rad.shape[1], FLUX_JY / sky_rad.shape[1])
    spec = GridSpec(CELL_ARCSEC, 144, min_count=10**6)
    scale = FREQUENCY_HZ / SPEED_OF_LIGHT_M_S
    gridded = grid(observed(track, transform(sky_rad, flux, track.u_m * scale, track.v_m * scale)), spec)
    noise = NOISE_JY * (rng.standard_normal(track.u_m.size) + 1j * rng.standard_normal(track.u_m.size))
    # Known noise: weights are inverse variances, and differences in time confirm it to a few per cent.
    noisy = grid(observed(track, noise), spec)
    assert noisy.manifest.noise.weight_scale == pytest.approx(1.0, abs=0.1)
    mask = gridded["mask"][0]
    sigma = np.sqrt(np.where(mask, noisy["variance"][0], 1.0))

    profile = taper(64 * spec.npix, CELL_ARCSEC / 64, spec.kernel)[32 * spec.npix]
    at = (np.arange(64 * spec.npix) - 32 * spec.npix) * CELL_ARCSEC / 64 * ARCSEC
    tapered = flux * np.interp(sky_rad[0], at, profile) * np.interp(sky_rad[1], at, profile)

    def error(moments):
        cells = UvCells.of(gridded["mask"], SkyGrid(spec.npix, CELL_ARCSEC).refined(1.2), moments)
        u, v = (cycles / spec.field_rad for cycles in cells.points.uv())
        said = cells.means_of(transform(sky_rad, tapered, u, v).astype(np.complex64)[:, None])
        return np.where(mask, np.abs(gridded["mean"] - cells.on_half_plane(said, spec.npix))[0] / sigma, 0.0)

    # A tenth of the noise in the worst cell biases no parameter; the taper alone errs by more, so that this can fail.
    assert error(cell_moments_of(gridded)).max() < 0.1
    assert error(None).max() > 0.2
