import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import erfc
from steelyard_schemas import ContractError, Kernel, Store
from vis_gridder import Beam, dirty_cube, moments, taper
from vis_gridder.constants import ARCSEC
from vis_gridder.imaging.plots.figures import make_figures
from vis_gridder.imaging.plots.maps import (
    cell_median,
    channel_noise,
    full_plane,
    make_maps,
    middle_beam,
    sidelobes,
    velocity_axis,
)
from vis_gridder.imaging.plots.panels import _in_blocks, beam_ellipse
from vis_gridder.imaging.plots.pictures import pictures

REST_HZ, STEP_HZ, NPIX, CELL, N_CHANNELS = 230.538e9, 8e6, 64, 0.1, 30
FLUX_JY, EAST, NORTH, SIGMA_KMS, CENTRE_KMS, NOISE_JY = 1.0, 0.8, -0.6, 30.0, 60.0, 0.02


@pytest.fixture(scope="module")
def gridded(make_gridded):
    """Return a function: a point source with a Gaussian line, in a third of the cells, denser on short baselines."""

    def make(*, flux_jy=FLUX_JY, rest_frequency_hz=REST_HZ, dof=1000.0, n_channels=N_CHANNELS, seed=0):
        rng = np.random.default_rng(seed)
        u, v = np.fft.rfftfreq(NPIX, CELL * ARCSEC), np.fft.fftfreq(NPIX, CELL * ARCSEC)
        uu, vv = np.meshgrid(u, v)
        inside = np.exp(-(uu**2 + (1.5 * vv) ** 2) / (2 * (0.35 * u[-1]) ** 2))
        filled = rng.random(inside.shape) < inside
        filled[:, 0] &= v > 0
        filled[:, -1] = filled[NPIX // 2] = False
        frequency = REST_HZ + STEP_HZ * (np.arange(n_channels) - 24.0)
        velocity = 299792.458 * (1 - frequency / REST_HZ)
        line = flux_jy * np.exp(-((velocity - CENTRE_KMS) ** 2) / (2 * SIGMA_KMS**2))
        sky = line[:, None, None] * np.exp(2j * np.pi * ARCSEC * (uu * EAST + vv * NORTH))
        shape = sky.shape
        mask = np.broadcast_to(filled, shape).copy()
        variance = NOISE_JY**2 * rng.chisquare(dof, shape) / dof
        mean = sky + NOISE_JY * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        count = np.where(mask, rng.integers(1, 300, shape[1:]), 0)
        return make_gridded(
            mean,
            variance,
            dof,
            mask,
            count=count,
            cell_arcsec=CELL,
            # A kernel this narrow has no taper: the source's flux is the image's.
            kernel=Kernel(width_cells=1e-6, beta=0.0),
            rest_frequency_hz=rest_frequency_hz,
            frequency_hz=frequency,
        )

    return make


def without_channels(store, channels):
    changed = {name: store[name].copy() for name in ("mean", "variance", "dof", "count", "mask")}
    for values in changed.values():
        values[channels] = 0
    return Store(store.manifest, dict(store.arrays) | changed)


@pytest.fixture(scope="module")
def source(gridded):
    return gridded()


@pytest.fixture(scope="module")
def maps(source):
    return make_maps(source)


@pytest.mark.parametrize("npix", [16, 15])
def test_both_halves_of_the_plane_are_those_of_a_full_transform(npix):
    image = np.random.default_rng(1).standard_normal((npix, npix))
    full = np.abs(np.fft.fftshift(np.fft.fft2(image)))
    half = np.abs(np.fft.rfft2(image))
    half[npix // 2 + 1 :, 0] = np.nan  # the column u = 0 holds data at v >= 0 only
    np.testing.assert_allclose(full_plane(half), full, rtol=1e-10)
    half[3, 2] = np.nan
    missing = np.argwhere(np.isnan(full_plane(half))) - npix // 2
    assert {tuple(place) for place in missing} == {(3, 2), (-3, -2)}


def test_blocks_keep_single_cells():
    plane = np.full((500, 500), np.nan)
    plane[499, 7], plane[0, 6], plane[1, 7] = 5.0, 2.0, 3.0
    shown, block = _in_blocks(plane)
    assert block == 3
    assert shown.shape == (167, 167)
    assert shown[166, 2] == 5.0
    assert shown[0, 2] == 3.0, "the largest of a block"
    assert np.isfinite(shown).sum() == 2


def test_median_of_a_cell_leaves_out_channels_without_data(source):
    few = without_channels(source, [0, 1])
    filled = source["mask"][0]
    np.testing.assert_allclose(
        cell_median(few, "variance")[filled], np.median(source["variance"][2:, filled], axis=0), rtol=1e-6
    )
    assert np.isnan(cell_median(few, "variance")[~filled]).all()


@pytest.mark.parametrize("dof", [18.0, 1000.0])
def test_noise_told_by_the_variances_is_that_of_the_images(dof, gridded):
    noise = gridded(flux_jy=0.0, dof=dof, n_channels=60)
    scatter = dirty_cube(noise, correct_taper=False).std()
    # 60 channels of about 350 cells, real and imaginary part: 0.5 % of chance; 1 / sum W would be 13 % off at 18.
    assert np.sqrt((channel_noise(noise) ** 2).mean()) == pytest.approx(scatter, rel=0.015)
    assert np.isnan(channel_noise(without_channels(noise, [4]))[4])


def test_moments_of_a_line_of_known_width(source, maps):
    y, x = NPIX // 2 + round(NORTH / CELL), NPIX // 2 + round(EAST / CELL)
    assert maps.line
    # The noise of the map, 1e-3 Jy/beam of a channel times 10 km/s and the root of 20 channels, is 0.05; 4 sigma.
    assert maps.integrated[y, x] == pytest.approx(FLUX_JY * SIGMA_KMS * np.sqrt(2 * np.pi), abs=0.2)
    # 30 km/s over a signal-to-noise ratio of some hundreds; the clip at 4 sigma cuts the wings beyond 3 sigma.
    assert maps.velocity_kms[y, x] == pytest.approx(CENTRE_KMS, abs=0.5)
    assert maps.dispersion_kms[y, x] == pytest.approx(SIGMA_KMS, rel=0.04)
    # The source is where most of the detected pixels are, and nothing is far from it.
    assert np.abs(np.argwhere(maps.detected) - (y, x)).max() < NPIX // 4


def test_moments_of_absorption_are_those_of_emission_upside_down(source, maps):
    dark = make_maps(Store(source.manifest, dict(source.arrays) | {"mean": -source["mean"]}))
    np.testing.assert_array_equal(dark.detected, maps.detected)
    np.testing.assert_allclose(dark.integrated, -maps.integrated, rtol=1e-6)
    np.testing.assert_allclose(dark.velocity_kms, maps.velocity_kms, rtol=1e-6)
    np.testing.assert_allclose(dark.dispersion_kms, maps.dispersion_kms, rtol=1e-6)


def test_moments_made_in_blocks_are_those_of_the_cube(source, maps, monkeypatch):
    velocity, _ = velocity_axis(source)
    cube = dirty_cube(source, correct_taper=False)[maps.channels]
    whole = moments(cube, velocity[maps.channels])
    seen = maps.detected
    np.testing.assert_allclose(maps.integrated, whole.integrated, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(maps.velocity_kms[seen], whole.velocity_kms[seen], atol=1e-3)
    np.testing.assert_allclose(maps.dispersion_kms[seen], whole.dispersion_kms[seen], atol=1e-2)
    monkeypatch.setattr("vis_gridder.imaging.plots.maps.BLOCK_PIXELS", 7 * NPIX**2)
    in_blocks = make_maps(source)
    np.testing.assert_array_equal(in_blocks.velocity_kms, maps.velocity_kms)
    np.testing.assert_array_equal(in_blocks.noise_jy, maps.noise_jy)


def test_flux_is_corrected_for_the_taper(source, maps):

    kernel = Kernel(width_cells=1.0, beta=2.0)
    manifest = source.manifest.model_copy(update={"kernel": kernel})
    tapered = make_maps(Store(manifest, source.arrays))
    np.testing.assert_allclose(tapered.integrated * taper(NPIX, CELL, kernel), maps.integrated, rtol=1e-9)
    np.testing.assert_array_equal(tapered.velocity_kms, maps.velocity_kms)


def test_noise_has_no_moments_but_a_level(gridded):
    noise = make_maps(gridded(flux_jy=0.0))
    assert not noise.line
    assert not noise.detected.any()
    # One in a hundred over 64 x 64 x 30 independent values: 1 - Phi(5.24) = 8.1e-8.
    assert erfc(noise.detection_sigma / np.sqrt(2)) / 2 * NPIX**2 * N_CHANNELS == pytest.approx(0.01)


@pytest.mark.parametrize(("fraction", "shown"), [(0.35, False), (0.8, True)])
def test_what_is_fainter_than_half_the_brightest_may_be_a_sidelobe(source, fraction, shown):
    uu, vv = np.meshgrid(source["u_wavelengths"], source["v_wavelengths"])
    shift = np.exp(2j * np.pi * ARCSEC * (uu * (-1.6 - EAST) + vv * (1.4 - NORTH)))
    both = source["mean"] * (1 + fraction * shift)
    maps = make_maps(Store(source.manifest, dict(source.arrays) | {"mean": both.astype(np.complex64)}))
    middle = NPIX // 2
    assert maps.detected[middle - 6, middle + 8]
    assert maps.detected[middle + 14, middle - 16] == shown
    # Moment 0 hides nothing; 5 Jy/beam km/s are a sidelobe of 7 % of the 75 of the brighter one.
    assert maps.integrated[middle + 14, middle - 16] > 0.9 * fraction * maps.integrated[middle - 6, middle + 8] - 5.0


def test_ellipse_is_the_half_maximum_of_the_beam():
    beam = Beam(1.4, 0.6, 35.0)
    ellipse = beam_ellipse(beam, (3.0, -2.0))
    outline = ellipse.get_path().transformed(ellipse.get_patch_transform())
    # Of a circle's Bezier curves every other of the 17 vertices is on the circle, the rest are control points.
    east, north = outline.to_polygons()[0][::2].T - [[3.0], [-2.0]]
    pa = np.radians(35.0)
    along, across = east * np.sin(pa) + north * np.cos(pa), east * np.cos(pa) - north * np.sin(pa)
    assert east.size == 9
    np.testing.assert_allclose(np.exp2(-4 * ((along / 1.4) ** 2 + (across / 0.6) ** 2)), 0.5, atol=1e-6)


def test_sidelobes_are_beyond_the_main_lobe():
    offset = (np.arange(65) - 32) * 0.1
    x, y = np.meshgrid(offset, offset)
    image = np.exp2(-4 * ((y / 1.4) ** 2 + (x / 0.6) ** 2))
    image[60, 32], image[32, 45] = 0.2, -0.3
    assert sidelobes(image, Beam(1.4, 0.6, 0.0), 0.1) == (-0.3, 0.2)


def test_beam_is_of_a_channel_with_data(source):
    image, beam = middle_beam(without_channels(source, slice(3, None)))
    assert image[NPIX // 2, NPIX // 2] == pytest.approx(1.0, abs=1e-6)
    assert beam.major_arcsec > beam.minor_arcsec > CELL
    coarse = dict(source.arrays) | {"mask": source["mask"] & (np.abs(source["u_wavelengths"]) > 1e9)}
    with pytest.raises(ContractError, match="no data in any cell"):
        middle_beam(Store(source.manifest, coarse))


@pytest.mark.parametrize("flux_jy", [FLUX_JY, 0.0])
def test_east_is_to_the_left_and_labels_are_clear(gridded, flux_jy):
    figures = make_figures(gridded(flux_jy=flux_jy))
    for name in ("overview", "uv_coverage"):
        figure = figures[name]
        figure.canvas.draw()
        for axes in figure.axes:
            low, high = sorted(axes.get_xlim())
            ticks = [t for t in axes.xaxis.get_majorticklabels() if low <= t.get_position()[0] <= high]
            ends = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in ticks)
            assert all(before[1] + 2 < after[0] for before, after in pairwise(ends))
        for text in [*figure.texts, *(axes.title for axes in figure.axes)]:
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text.get_text()
    panels = figures["moments"].axes
    for axes in panels[:3]:
        assert axes.transData.transform((EAST, 0))[0] < axes.transData.transform((0, 0))[0]
        assert axes.get_xlabel() == "east [arcsec]"
    said = [text.get_text() for axes in panels for text in axes.texts]
    assert said == ([] if flux_jy else ["no line above 5.2 sigma"] * 2)
    u_axis = figures["uv_coverage"].axes[0]
    assert u_axis.get_xlim()[0] > u_axis.get_xlim()[1]
    assert "to the left" in u_axis.get_xlabel()


def test_picture_has_the_source_where_it_is(source):
    panel = make_figures(source)["moments"].axes[0]
    (image,) = panel.get_images()
    shown = image.get_array()
    left, right, bottom, top = image.get_extent()
    y, x = np.unravel_index(np.argmax(shown), shown.shape)
    # The middle of the brightest pixel, half a pixel from its edge.
    assert left + (x + 0.5) * (right - left) / NPIX == pytest.approx(EAST, abs=1e-6)
    assert bottom + (y + 0.5) * (top - bottom) / NPIX == pytest.approx(NORTH, abs=1e-6)


def test_files_are_written_and_not_replaced(source, tmp_path, monkeypatch):
    # Its package has a function of the module's name.
    monkeypatch.setattr(sys.modules["vis_gridder.imaging.plots.pictures"], "DPI", 30)
    paths = pictures(source, tmp_path / "new")
    assert [path.name for path in paths] == [
        "overview.png",
        "uv_coverage.png",
        "noise.png",
        "dirty_beam.png",
        "moments.png",
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    paths[0].unlink()
    with pytest.raises(ContractError, match=r"uv_coverage.png: exists already"):
        pictures(source, tmp_path / "new")
    assert not paths[0].exists()


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"n_channels": 1, "rest_frequency_hz": None}, []),
        ({}, [0, 24, 29]),
        ({"flux_jy": 0.0, "rest_frequency_hz": None}, []),
    ],
    ids=["one channel", "channels without data", "no rest frequency"],
)
def test_odd_data_make_figures_too(gridded, options, missing):
    assert make_figures(without_channels(gridded(**options), missing))["overview"].axes


def test_without_matplotlib_the_error_tells_what_to_install(source, tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("figures", "panels"):
        monkeypatch.delitem(sys.modules, f"vis_gridder.imaging.plots.{name}")
    with pytest.raises(ContractError, match=r'pip install "vis-gridder\[plot\]"'):
        pictures(source, tmp_path)
