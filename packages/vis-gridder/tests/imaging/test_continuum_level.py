import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner
from vis_gridder import DataWarning, grid
from vis_gridder.cli import app
from vis_gridder.cli.advice import advise
from vis_gridder.gridding.spec import GridSpec
from vis_gridder.imaging.continuum_level import continuum_level
from vis_gridder.stream.source import as_source
from vis_gridder.stream.store import write_visibilities

N_CHANNELS, SIGMA_JY = 40, 0.05
REST_HZ = 230.538e9
FREQUENCY_HZ = REST_HZ + 4e6 * (np.arange(N_CHANNELS) - 20.0)
VELOCITY_KMS = 299792.458 * (1 - FREQUENCY_HZ / REST_HZ)


@pytest.fixture
def point_source(make_vis):
    """Return a function: a point source 0.8 arcsec east and 0.5 south, its spectrum in Jy, seen by 20 antennas."""

    def make(spectrum, seed=0):
        rng = np.random.default_rng(seed)
        place = rng.uniform(-150, 150, (2, 20))
        first, second = np.triu_indices(20, 1)
        u, v = np.repeat((place[:, first] - place[:, second])[:, :, None], 8, axis=2).reshape(2, -1)
        u, v = u + rng.normal(0, 1, u.size), v + rng.normal(0, 1, u.size)
        times = np.tile(10.0 * np.arange(8), first.size)
        baseline = np.repeat(np.arange(first.size), 8)
        east, north = np.radians(np.array([0.8, -0.5]) / 3600)
        turns = np.outer(u * east + v * north, FREQUENCY_HZ / 299_792_458.0)
        shape = turns.shape
        noise = SIGMA_JY * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        vis = np.exp(2j * np.pi * turns) * np.asarray(spectrum) + noise
        order = np.argsort(times, kind="stable")
        weight = np.full(shape, SIGMA_JY**-2)
        return make_vis(
            u[order],
            v[order],
            vis[order],
            weight,
            times=times[order],
            baseline=baseline[order],
            frequency_hz=FREQUENCY_HZ,
            dish_diameter_m=30.0,
        )

    return make


def asymmetric_line(fraction, peak_jy):
    """Return a spectrum that is not zero in a part of the band right of its middle, and falls across it."""
    spectrum = np.zeros(N_CHANNELS)
    n = round(fraction * N_CHANNELS)
    first = (N_CHANNELS - n) * 2 // 3
    spectrum[first : first + n] = peak_jy * np.linspace(1.0, 0.4, n)
    return spectrum


def test_continuum_is_told_with_its_flux_and_the_line_found_on_top(point_source):
    line = asymmetric_line(0.25, 0.3)
    with pytest.warns(
        DataWarning, match=r"continuum emission of about 0.049 Jy in all channels.* --continuum-kms"
    ) as told:
        facts = advise([as_source(point_source(0.05 + line))])
    # A sample off its cell's centre is less than coherent with others; 800 samples in 7 channels know it to 2 %.
    assert facts["continuum_jy"] == pytest.approx(0.05, rel=0.05)
    low, high = facts["line_velocity_kms"]
    inside = VELOCITY_KMS[line > 0]
    width = VELOCITY_KMS[0] - VELOCITY_KMS[1]
    # The margin of 15 % is two channels of ten, and a window of three overlaps by one.
    assert inside.min() - 4 * width < low < inside.min()
    assert inside.max() < high < inside.max() + 4 * width
    text = str(told[0].message)
    ranges = [tuple(map(float, part.split()[0].split(":"))) for part in text.split("--continuum-kms ")[2:]]
    assert len(ranges) == 2
    assert all(b < inside.min() or a > inside.max() for a, b in ranges)


@pytest.mark.parametrize("spectrum", [asymmetric_line(0.6, 0.3), asymmetric_line(0.25, 0.3), np.zeros(N_CHANNELS)])
def test_empty_channels_beside_a_line_are_no_continuum(point_source, spectrum):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        facts = advise([as_source(point_source(spectrum, seed=1))])
    assert facts["continuum_jy"] is None
    assert (facts["line_velocity_kms"] is None) == (not spectrum.any())


def test_noise_gives_no_continuum_even_if_it_is_understated(point_source):
    """Two thirds of its variance, and neighbours that share noise as after Hanning smoothing; twenty times."""
    for seed in range(20):
        vis = point_source(np.zeros(N_CHANNELS), seed=10 + seed)
        noise = vis["vis"].copy()
        vis.arrays["vis"][:, 1:-1] = 0.25 * noise[:, :-2] + 0.5 * noise[:, 1:-1] + 0.25 * noise[:, 2:]
        gridded = grid(vis, GridSpec(0.3, 96))
        gridded.arrays["variance"][:] /= 1.5
        assert continuum_level(gridded) is None


def test_two_channels_cannot_tell(point_source):
    vis = point_source(0.05 + np.zeros(N_CHANNELS))
    gridded = grid(vis, GridSpec(0.3, 96, velocity_min_kms=-12, velocity_max_kms=-2))
    assert gridded["frequency_hz"].size == 2
    assert continuum_level(gridded) is None


def test_info_says_so(point_source, tmp_path):
    write_visibilities(tmp_path / "v.zarr", as_source(point_source(0.05 + asymmetric_line(0.25, 0.3))))
    result = CliRunner().invoke(app, ["info", str(tmp_path / "v.zarr"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["continuum_jy"] == pytest.approx(0.05, rel=0.05)
    assert "warning: synthetic: continuum emission of about 0.049 Jy" in result.stderr
