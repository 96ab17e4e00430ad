"""The sign of a line in visibilities: point sources, a beam with deep sidelobes, continuum, noise."""

import numpy as np
import pytest
from steelyard_schemas import Kernel, Store
from vis_gridder import as_source, dirty_beam, line_sign, read_visibilities
from vis_gridder.cli.advice import advise
from vis_gridder.imaging.line_sign import sign_of_peaks

REST_HZ, STEP_HZ, N_CHANNELS, NPIX, CELL = 230e9, 8e6, 40, 48, 0.1
LINE = range(14, 24)


@pytest.fixture
def sky(make_gridded):
    """Return a function: points (Jy [channel], x, y arcsec) on a sparse array, noise of variance 4 in each cell."""

    def make(rng, points, rest_frequency_hz=REST_HZ):
        shape = (N_CHANNELS, NPIX, NPIX // 2 + 1)
        pixel = np.radians(CELL / 3600)
        u, v = np.meshgrid(np.fft.rfftfreq(NPIX, pixel), np.fft.fftfreq(NPIX, pixel))
        # Two rings and no short baselines: the beam's sidelobes are deep.
        length = np.hypot(u, v) * NPIX * pixel
        mask = (np.abs(length - 13) < 2) | (np.abs(length - 16) < 2)
        mask[NPIX // 2 :, 0] = mask[NPIX // 2] = mask[:, NPIX // 2] = False
        mean = 2.0 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        for flux, x, y in points:
            phase = np.exp(2j * np.pi * (u * x + v * y) * np.pi / 648000)
            mean += np.broadcast_to(flux, N_CHANNELS)[:, None, None] * phase
        return make_gridded(
            mean,
            np.full(shape, 4.0),
            np.full(shape, 100.0),
            np.broadcast_to(mask, shape).copy(),
            cell_arcsec=CELL,
            kernel=Kernel(width_cells=1.0, beta=2.0),
            rest_frequency_hz=rest_frequency_hz,
            frequency_hz=REST_HZ + STEP_HZ * (np.arange(N_CHANNELS) - 20.0),
        )

    return make


def spectrum(jy, first=LINE.start, last=LINE.stop):
    """A line that falls along the band, not symmetric."""
    flux = np.zeros(N_CHANNELS)
    flux[first:last] = jy * np.linspace(1.0, 0.4, last - first)
    return flux


def test_a_point_is_emission_and_a_hole_absorption_whatever_the_sidelobes(sky):
    made = sky(np.random.default_rng(1), [(spectrum(8.0), 0.7, -0.5)])
    lowest = dirty_beam(made)[0].min()
    assert -0.5 < lowest < -0.2, "the test needs deep sidelobes"
    found = line_sign(made)
    assert (found.kind, found.net) == ("emission", 1)
    # The lobe stands out of the noise far enough to be taken for absorption by a limit on the noise alone.
    assert found.absorption_sigma > 6
    hole = line_sign(sky(np.random.default_rng(1), [(spectrum(-8.0), 0.7, -0.5)]))
    assert (hole.kind, hole.net) == ("absorption", -1)
    assert hole.emission_sigma > 6


@pytest.mark.parametrize("continuum", [0.0, 30.0])
def test_absorption_of_a_continuum_is_absorption(sky, continuum):
    made = sky(np.random.default_rng(2), [(continuum + spectrum(-8.0), 0.7, -0.5)])
    found = line_sign(made, LINE)
    assert (found.kind, found.net) == ("absorption", -1)


def test_both_signs_in_different_channels(sky):
    points = [(spectrum(8.0, 14, 19), 0.7, -0.5), (spectrum(-6.0, 19, 24), -0.6, 0.3)]
    found = line_sign(sky(np.random.default_rng(3), points))
    assert (found.kind, found.net) == ("emission and absorption", 1)
    faint = [(spectrum(8.0), 0.7, -0.5), (spectrum(-1.0), -0.6, 0.3)]
    assert line_sign(sky(np.random.default_rng(3), faint)).kind == "emission"


def test_a_sidelobe_that_noise_deepens_is_none():
    # NGC 4324 (CARMA): the emission's 10.7, and 5.2 below zero.
    assert sign_of_peaks(np.array([10.7, 4.2]), np.array([5.2, 4.3]), limit=5.0, sidelobes=0.3) == "emission"
    assert sign_of_peaks(np.array([4.2]), np.array([5.2]), limit=5.0, sidelobes=0.3) == "absorption"
    assert sign_of_peaks(np.array([4.9]), np.array([4.9]), limit=5.0, sidelobes=0.3) == "undecided"


def test_noise_has_no_sign(sky):
    rng = np.random.default_rng(4)
    assert line_sign(sky(rng, [])) is None
    kinds = [line_sign(sky(rng, []), LINE) for _ in range(20)]
    assert {(found.kind, found.net) for found in kinds} == {("undecided", 0)}
    assert line_sign(sky(rng, []), range(0)) is None


def test_channels_without_data_and_without_a_rest_frequency(sky):
    made = sky(np.random.default_rng(5), [(spectrum(-8.0), 0.7, -0.5)], rest_frequency_hz=None)
    mask = made["mask"].copy()
    mask[:10] = mask[16] = False
    found = line_sign(Store(made.manifest, dict(made.arrays) | {"mask": mask}))
    assert (found.kind, found.net) == ("absorption", -1)


def test_a_line_over_the_whole_band(sky):
    made = sky(np.random.default_rng(6), [(np.full(N_CHANNELS, 8.0), 0.7, -0.5)])
    assert line_sign(made, range(N_CHANNELS)).kind == "emission"


@pytest.mark.data
def test_info_reports_the_sign_of_visibilities(data_dir):
    vis = read_visibilities(data_dir / "mock_small.uvfits.gz")
    dark = Store(vis.manifest, dict(vis.arrays) | {"vis": -vis["vis"]})
    assert [advise([as_source(data)])["line_sign"] for data in (vis, dark)] == ["emission", "absorption"]
