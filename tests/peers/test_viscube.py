"""Gridded files made by viscube itself from the same visibilities, against our own grid."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from steelyard_schemas import Observation, Store, Visibilities
from vis_gridder import GridSpec, grid, read_visibilities
from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.readers.viscube.grid import read_viscube_grid

pytest.importorskip("viscube", reason="viscube is not installed: uv run --with viscube==0.4.8 pytest")

from benchmarks.viscube_file import save_viscube_grid  # needs viscube too

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CELL_ARCSEC, NPIX = 0.3, 63
PIXELS = {"cell_arcsec": CELL_ARCSEC, "npix": NPIX}


def simulate(weights, n_channels=6):
    """Two point sources and noise, seen by 30 antennas forty times over; the weights are of each row one of these."""
    rng = np.random.default_rng(0)
    antennas = rng.uniform(-150, 150, (30, 2))
    first, second = np.triu_indices(30, 1)
    angle = np.linspace(-0.4, 0.4, 40)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    u, v = np.einsum("abt,kb->atk", turn, antennas[second] - antennas[first]).reshape(2, -1)
    n_rows, frequency = u.size, 230e9 + 2e7 * np.arange(n_channels)
    wave = np.pi / 648000 * frequency / SPEED_OF_LIGHT_M_S
    phase = [np.multiply.outer(u * east + v * north, wave) for east, north in ((1.0, 0.4), (-0.5, 1.7))]
    sky = 0.1 * np.exp(2j * np.pi * phase[0]) + 0.05 * np.exp(2j * np.pi * phase[1])
    weight = np.repeat(rng.choice(weights, n_rows)[:, None], n_channels, axis=1)
    noise = (rng.standard_normal(sky.shape) + 1j * rng.standard_normal(sky.shape)) / np.sqrt(weight)
    arrays = {
        "u_m": u,
        "v_m": v,
        "w_m": np.zeros(n_rows),
        "vis": (sky + noise).astype(np.complex64),
        "weight": weight.astype(np.float32),
        "flag": np.zeros(sky.shape, bool),
        "time_mjd_s": np.repeat(60.0 * np.arange(40), first.size),
        "antenna1": np.tile(first, 40).astype(np.int32),
        "antenna2": np.tile(second, 40).astype(np.int32),
        "scan": np.ones(n_rows, np.int32),
        "frequency_hz": frequency,
        "channel_width_hz": np.full(n_channels, 2e7),
    }
    observation = Observation(
        target="simulated",
        telescope="ALMA",
        dish_diameter_m=12.0,
        phase_centre_ra_deg=10.0,
        phase_centre_dec_deg=-20.0,
        frequency_frame="LSRK",
        rest_frequency_hz=230.538e9,
    )
    return Store(Visibilities(observation=observation, source="simulated"), arrays)


@pytest.fixture(scope="module")
def simulated():
    return simulate([400.0])


def compare(theirs, ours):
    """Compare cell by cell; return the ratio of errors and our counts where both hold data."""
    for name in ("mask", "frequency_hz"):
        np.testing.assert_array_equal(theirs[name], ours[name])
    for name in ("u_wavelengths", "v_wavelengths"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-11)
    both = ours["mask"].copy()
    # Near zero baseline we turn samples to u >= 0 and viscube takes them as they come: only the real part is common.
    np.testing.assert_allclose(theirs["mean"][:, 0, 0].real, ours["mean"][:, 0, 0].real, atol=1e-6)
    both[:, 0, 0] = False
    # complex64 of numbers up to 0.3 Jy.
    np.testing.assert_allclose(theirs["mean"][both], ours["mean"][both], atol=1e-7)
    return np.sqrt(theirs["variance"][both] / ours["variance"][both]), ours["count"][both]


@pytest.mark.parametrize(("half", "beta"), [(True, 2.0), (False, 2.0), (True, 0.0)])
def test_a_file_of_viscube_is_our_own_grid(simulated, tmp_path, half, beta):
    save_viscube_grid(tmp_path / "cube.npz", simulated, **PIXELS, half=half, beta=beta)
    theirs = read_viscube_grid(tmp_path / "cube.npz")
    ours = grid(simulated, GridSpec(CELL_ARCSEC, NPIX, beta=beta))
    assert theirs.manifest.kernel == ours.manifest.kernel
    ratio, count = compare(theirs, ours)
    # Where both take the scatter within the cell, they differ in how the kernel enters it: a few per cent, no bias.
    many = count >= 20
    assert many.sum() > 1000
    assert np.median(ratio[many]) == pytest.approx(1.0, abs=0.01)
    assert np.percentile(np.abs(ratio[many] - 1), 90) < 0.1
    # Below five, theirs are a baseline's own differences in time.
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)


def test_viscube_takes_unequal_weights_for_lost_samples(tmp_path):
    vis = simulate([400.0, 1600.0])
    save_viscube_grid(tmp_path / "cube.npz", vis, **PIXELS, half=True)
    ratio, count = compare(read_viscube_grid(tmp_path / "cube.npz"), grid(vis, GridSpec(CELL_ARCSEC, NPIX)))
    # viscube divides the weighted scatter by n_eff = (sum w)^2 / sum w^2, which for weights that are inverse
    # variances makes the error too large by sqrt(<w^2>) / <w>.
    assert np.median(ratio[count >= 20]) == pytest.approx(np.sqrt((400**2 + 1600**2) / 2) / 1000, rel=0.015)


def test_the_degrees_of_freedom_are_those_of_the_visibilities(tmp_path):
    vis = simulate([400.0], n_channels=40)
    save_viscube_grid(tmp_path / "cube.npz", vis, **PIXELS, half=True, beta=0.0)
    theirs = read_viscube_grid(tmp_path / "cube.npz")
    ours = grid(vis, GridSpec(CELL_ARCSEC, NPIX, beta=0.0, min_count=5))
    scatter = ours["mask"] & (ours["count"] >= 8)
    # 40 channels tell those of a cell to 25 %.
    low, median, high = np.percentile(theirs["dof"][scatter] / ours["dof"][scatter], [5, 50, 95])
    assert median == pytest.approx(1.0, abs=0.1)
    assert low > 0.5
    assert high < 2.0


@pytest.mark.data
def test_the_sign_is_that_of_a_measurement_set(tmp_path):
    pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")
    archive = Path(os.environ.get("STEELYARD_DATA", SHARED)) / "mock_small.ms.tar.gz"
    if not archive.is_file():
        pytest.skip("the shared visibilities are absent; set STEELYARD_DATA to the folder that holds them")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    vis = read_visibilities(tmp_path / "mock_small.ms")
    save_viscube_grid(tmp_path / "cube.npz", vis, **PIXELS, half=True)
    ratio, count = compare(read_viscube_grid(tmp_path / "cube.npz"), grid(vis, GridSpec(CELL_ARCSEC, NPIX)))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    # Fewer than five: viscube's errors (the median of 14 absolute differences, known to 22 %) and ours (the scatter
    # of two to four samples) are both pooled over 28 channels: 4 % and 5 to 9 %; one channel alone would give 24 %.
    assert np.std(ratio[count < 5]) < 0.16
