"""Mock observations: noise statistics, and that the store keeps its contract."""

import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import ARCSEC_RAD, SkyGrid, UvTrack, model_visibilities, observe, track_of, uv_track
from steelyard_schemas import Observation, Visibilities, read_store, write_store

SKY = SkyGrid(32, 0.3)
FREQUENCY = 230e9 + 8e6 * np.arange(4)
OBSERVATION = Observation(
    target="mock",
    telescope="array",
    dish_diameter_m=12.0,
    phase_centre_ra_deg=187.0,
    phase_centre_dec_deg=-5.8,
    frequency_frame="LSRK",
    rest_frequency_hz=230.538e9,
)
ARRAY = np.random.default_rng(0).uniform(-100, 100, (12, 3)) * [1, 1, 0.02]
TRACK = uv_track(ARRAY, -23.0, -5.8, -1.0, 1.0, 120.0)


def cube():
    return np.random.default_rng(1).random((4, 32, 32))


def test_noise_is_gaussian_and_weights_are_its_inverse_variance():
    clean = observe(cube(), SKY, FREQUENCY, TRACK, OBSERVATION, 0.0, seed=1)
    noisy = observe(cube(), SKY, FREQUENCY, TRACK, OBSERVATION, 0.02, seed=1)
    noise = (noisy["vis"] - clean["vis"]).ravel()
    for part in (noise.real, noise.imag):
        assert abs(part.mean()) < 4 * 0.02 / np.sqrt(part.size)
        assert abs(part.std() / 0.02 - 1) < 4 / np.sqrt(2 * part.size)
    assert abs(np.mean(noise.real * noise.imag)) < 4 * 0.02**2 / np.sqrt(noise.size)
    np.testing.assert_allclose(noisy["weight"], 0.02**-2, rtol=1e-6)
    assert (clean["weight"] == 1).all()
    assert not noisy["flag"].any()


def test_the_seed_fixes_the_noise():
    one, same, other = (observe(cube(), SKY, FREQUENCY, TRACK, OBSERVATION, 0.02, seed)["vis"] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_noiseless_visibilities_on_grid_points_equal_the_model():
    # Channels so close that the grid of the first is that of all to 1e-9.
    frequency = 230e9 + 100.0 * np.arange(2)
    v, u = (a.ravel() for a in np.meshgrid(SKY.v_wavelengths, SKY.u_wavelengths, indexing="ij"))
    metre = 299792458.0 / 230e9
    n = len(u)
    zero = np.zeros(n, np.int32)
    track = UvTrack(
        u * metre * (1 - 1e-9), v * metre * (1 - 1e-9), np.zeros(n), np.full(n, 5.1e9), zero, zero + 1, zero
    )
    store = observe(cube()[:2], SKY, frequency, track, OBSERVATION, 0.0, seed=0)
    truth = np.asarray(model_visibilities(jnp.asarray(cube()[:2]), SKY)).reshape(2, -1).T
    # Stored as complex64.
    np.testing.assert_allclose(store["vis"], truth, atol=2e-6 * abs(truth).max())


def test_wavelengths_shrink_with_frequency():
    # A point source one arcsecond east turns the phase by 2 pi u l, u = u_m f / c.
    image = np.zeros((4, 33, 33))
    image[:, 16, 20] = 1.0
    sky = SkyGrid(33, 0.25)
    store = observe(image, sky, FREQUENCY, TRACK, OBSERVATION, 0.0, seed=0)
    u = np.outer(TRACK.u_m, FREQUENCY / 299792458.0)
    # Phases in complex64.
    np.testing.assert_allclose(np.angle(store["vis"] * np.exp(-2j * np.pi * u * ARCSEC_RAD)), 0, atol=1e-5)


def test_store_keeps_its_contract_and_returns_its_track(tmp_path):
    store = observe(cube(), SKY, FREQUENCY, TRACK, OBSERVATION, 0.02, seed=4)
    write_store(tmp_path / "mock.zarr", store)
    back = read_store(tmp_path / "mock.zarr", Visibilities)
    assert back.manifest.observation == OBSERVATION
    np.testing.assert_array_equal(back["vis"], store["vis"])
    for ours, theirs in zip(track_of(back), TRACK, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(back["channel_width_hz"], 8e6)


@pytest.mark.parametrize(
    "frequency", [FREQUENCY[::-1], FREQUENCY[:1], FREQUENCY + np.array([0, 0, 1e6, 0])], ids=["down", "one", "uneven"]
)
def test_bad_frequencies_are_refused(frequency):
    with pytest.raises(ValueError, match="at least two channels, ascending and evenly spaced"):
        observe(cube()[: len(frequency)], SKY, frequency, TRACK, OBSERVATION, 0.0, seed=0)
