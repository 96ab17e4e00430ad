"""The shared visibilities: mocks of known truth made by CASA's simulator, and real VLA data."""

import json

import numpy as np
import pytest
from steelyard_schemas import Store
from vis_gridder import GridSpec, dirty_cube, estimate_noise, grid, moments, radio_velocity_kms, read_visibilities

pytestmark = pytest.mark.data

CO_2_1_HZ = 230.538e9


@pytest.fixture(scope="module")
def small(unpacked, data_dir):
    return [read_visibilities(path) for path in (unpacked("mock_small.ms"), data_dir / "mock_small.uvfits.gz")]


def test_both_formats_give_one_grid(small):
    ms, uvfits = (grid(vis, GridSpec(0.6, 64)) for vis in small)
    np.testing.assert_array_equal(ms["count"], uvfits["count"])
    mask = ms["mask"]
    # u and v are float32 in the UVFITS file, which moves the kernel's weights by 1e-6; in Jy and as a whole.
    difference = np.abs(ms["mean"] - uvfits["mean"])[mask]
    assert difference.max() < 1e-6
    assert np.linalg.norm(difference) < 1e-6 * np.linalg.norm(ms["mean"][mask])
    np.testing.assert_allclose(ms["variance"][mask], uvfits["variance"][mask], rtol=2e-6)
    np.testing.assert_allclose(ms["dof"], uvfits["dof"], rtol=1e-6)
    one, other = (gridded.manifest.observation.model_dump() for gridded in (ms, uvfits))
    # The mean position of the antennas: metres, of 6400 km; the frame of frequencies feels kilometres.
    np.testing.assert_allclose(one.pop("array_position_m"), other.pop("array_position_m"), atol=10.0)
    assert one == pytest.approx(other)


@pytest.mark.parametrize("which", [0, 1])
def test_noise_of_the_mock_and_weights_wrong_by_the_number_of_channels(small, data_dir, which):
    truth = json.loads((data_dir / "mock_nuker.json").read_text())["noise_jy"] / np.sqrt(2)
    noise = estimate_noise(small[which])
    # 60 000 degrees of freedom: 0.3 % in sigma.
    assert noise.weight_scale == pytest.approx([1.0, 28.0][which], rel=0.02)
    assert np.median(noise.sigma_jy) == pytest.approx(truth, rel=0.01)


def test_a_changing_sky_hardly_biases_the_noise(unpacked):
    # 120 s at 1e6 wavelengths: the phase of a source one disc scale off centre moves by 0.05 turns between samples.
    vis = read_visibilities(unpacked("mock_ngc4697.ms"))
    noise = estimate_noise(vis)
    # Measured: +0.28 % in the variance, of which 0.14 % may be chance.
    assert 1 / noise.weight_scale == pytest.approx(1.0, abs=0.005)
    in_line = estimate_noise_of(vis, slice(10, 46))
    assert 1 / in_line.weight_scale == pytest.approx(1.0, abs=0.01)


def estimate_noise_of(vis, channels):
    per_channel = {"vis", "weight", "flag"}
    cut = {name: array[:, channels] if name in per_channel else array for name, array in vis.arrays.items()}
    return estimate_noise(Store(vis.manifest, cut))


def rotation(vis, spec):
    """Return systemic velocity and the position angle of the receding half, from moment maps."""
    gridded = grid(vis, spec)
    velocity = radio_velocity_kms(gridded["frequency_hz"], gridded.manifest.observation.rest_frequency_hz)
    maps = moments(dirty_cube(gridded), velocity, clip_sigma=5.0)
    y, x = np.indices(maps.integrated.shape) - spec.npix // 2
    central = np.hypot(x, y) * spec.cell_arcsec < spec.npix * spec.cell_arcsec / 4
    seen = np.isfinite(maps.velocity_kms) & central & (maps.integrated > 0.2 * maps.integrated[central].max())
    weight, speed = maps.integrated[seen], maps.velocity_kms[seen]
    systemic = np.average(speed, weights=weight)
    east, north = (np.sum(weight * (speed - systemic) * axis[seen]) for axis in (x, y))
    return systemic, np.degrees(np.arctan2(east, north)) % 360


@pytest.mark.parametrize("which", [0, 1])
def test_receding_side_of_the_small_mock_in_both_formats(small, data_dir, which):
    truth = json.loads((data_dir / "mock_nuker.json").read_text())
    systemic, pa = rotation(small[which], GridSpec(0.5, 64, rest_frequency_hz=CO_2_1_HZ))
    # A dirty image of 16 antennas: 20 degrees tell the sign (180 degrees) and a mirror image (104) apart.
    assert pa == pytest.approx(truth["pa_deg"], abs=20)
    assert systemic == pytest.approx(truth["vsys_kms"], abs=30)


@pytest.mark.parametrize("name", ["mock_ngc4697", "mock_nuker"])
def test_rotation_of_the_mocks(unpacked, data_dir, name):
    truth = json.loads((data_dir / f"{name}.json").read_text())
    path = unpacked("mock_ngc4697.ms") if name == "mock_ngc4697" else data_dir / "mock_nuker.uvfits.gz"
    systemic, pa = rotation(read_visibilities(path), GridSpec(0.1, 144, rest_frequency_hz=CO_2_1_HZ))
    # Moments of a dirty cube: a channel in velocity, ten degrees in angle.
    assert pa == pytest.approx(truth["pa_deg"], abs=10)
    assert systemic == pytest.approx(truth["vsys_kms"], abs=truth["dv_kms"])


def test_real_hi_of_ngc5921(unpacked):
    vis = read_visibilities(unpacked("ngc5921_hi.ms"))
    sky = vis.manifest.observation
    assert (sky.telescope, sky.dish_diameter_m, sky.frequency_frame) == ("VLA", 25.0, "LSRK")
    # statwt weights are inverse variances: time differences agree to a few percent.
    assert estimate_noise(vis).weight_scale == pytest.approx(1.0, abs=0.05)
    systemic, pa = rotation(vis, GridSpec(15.0, 64))
    assert systemic == pytest.approx(1480, abs=15)
    assert 120 < pa < 180, "the receding side is to the south-east"
