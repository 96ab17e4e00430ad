"""Restored image cubes as gridded visibilities: an analytic source and axes in any order."""

import json

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import ContractError, Kernel
from typer.testing import CliRunner
from vis_gridder import assumptions, read_image_cube, taper
from vis_gridder.cli import app

from .support import (
    ARCSEC,
    BEAM,
    C_MS,
    CELL,
    FIRST_MS,
    LINE,
    N_CHANNELS,
    NPIX,
    REST_HZ,
    WIDTH_MS,
    covariance,
    gaussian,
    noise_cube,
    quietly,
)


@pytest.mark.parametrize("unit", ["Jy/beam", "mJy/beam", "JY/PIXEL", "K"])
def test_a_gaussian_source_has_its_analytic_visibilities(write, unit):
    """V = F exp(-2 pi^2 w C w) exp(+2 pi i (u x0 + v y0)), whatever the beam."""
    flux, x0, y0 = 2.0, 3.0, -2.0
    source = covariance(4.0, 2.5, 70.0)
    total = source + covariance(*BEAM)
    per_pixel = flux * CELL**2 / (2 * np.pi * np.sqrt(np.linalg.det(total)))
    area = np.pi * BEAM[0] * BEAM[1] / (4 * np.log(2)) / CELL**2
    frequency = REST_HZ * (1 - (FIRST_MS + WIDTH_MS * np.arange(N_CHANNELS)) / C_MS)
    kelvin = C_MS**2 / (2 * 1.380649e-23 * frequency**2 * (CELL * ARCSEC) ** 2) * 1e-26
    factor = {"Jy/beam": area, "mJy/beam": 1e3 * area, "JY/PIXEL": 1.0, "K": kelvin[:, None, None]}[unit]
    cube = noise_cube(np.random.default_rng(0), 1e-8)
    cube[LINE] += per_pixel * gaussian(total, x0, y0)
    found = quietly(write(cube * factor, BUNIT=unit))
    v, u = np.meshgrid(found["v_wavelengths"], found["u_wavelengths"], indexing="ij")
    w = np.stack([u, v]) * ARCSEC
    expected = flux * np.exp(-2 * np.pi**2 * np.einsum("ixy,ij,jxy->xy", w, source, w))
    expected = expected * np.exp(2j * np.pi * (w[0] * x0 + w[1] * y0))
    for channel in range(LINE.start, LINE.stop):
        # Channels ascend in frequency, and so descend in velocity.
        mask = found["mask"][N_CHANNELS - 1 - channel]
        mean = found["mean"][N_CHANNELS - 1 - channel]
        assert mask.sum() > 150
        np.testing.assert_allclose(mean[mask], expected[mask], atol=2e-5 * flux)


@pytest.mark.parametrize("npix", [NPIX, NPIX - 1])
def test_pixels_as_coarse_as_the_beam_allows_are_kept(write, npix):
    """A grid of the image's own pixels, odd and even, with a source off centre."""
    beam, x0, y0 = (1.5, 1.4, 20.0), -3.0, 4.5
    cube = noise_cube(np.random.default_rng(7), 1e-8, beam=beam)
    source = covariance(2.0, 1.5, 10.0)
    total = source + covariance(*beam)
    peak = np.sqrt(np.linalg.det(covariance(*beam)) / np.linalg.det(total))
    cube[LINE] += peak * gaussian(total, x0, y0)
    store = quietly(write(cube, BMAJ=beam[0] / 3600, BMIN=beam[1] / 3600, BPA=beam[2]), npix=npix)
    assert store.manifest.npix == npix
    assert store.manifest.cell_arcsec == pytest.approx(CELL)
    w = np.stack(np.meshgrid(store["v_wavelengths"], store["u_wavelengths"], indexing="ij"))[::-1] * ARCSEC
    expected = np.exp(
        -2 * np.pi**2 * np.einsum("ixy,ij,jxy->xy", w, source, w) + 2j * np.pi * (w[0] * x0 + w[1] * y0)
    )
    channel = N_CHANNELS - 1 - LINE.start
    mask = store["mask"][channel]
    assert mask[npix - 1, 1]
    assert not mask[npix - 1, 0]
    np.testing.assert_allclose(store["mean"][channel][mask], expected[mask], atol=1e-4)


def test_what_the_store_says(write, noisy):
    store = quietly(write(noisy))
    manifest = store.manifest
    assert manifest.kernel == Kernel(name="none", width_cells=0, beta=0)
    assert np.all(taper(16, 1.0, manifest.kernel) == 1)
    assert (manifest.observation.target, manifest.observation.frequency_frame) == ("toy", "LSRK")
    assert manifest.observation.dish_diameter_m is None
    assert manifest.observation.phase_centre_ra_deg == pytest.approx(150.0, abs=1e-7)
    # The field stays, the pixels are those that a beam needs.
    assert manifest.npix * manifest.cell_arcsec == pytest.approx(NPIX * CELL)
    assert manifest.cell_arcsec <= BEAM[1] / 3
    assert manifest.cell_arcsec > BEAM[1] / 3.2
    assert np.all(np.diff(store["frequency_hz"]) > 0)
    assert store["frequency_hz"][-1] == pytest.approx(REST_HZ * (1 - FIRST_MS / C_MS), rel=1e-12)
    assert read_image_cube(write(noisy), dish_diameter_m=12.0).manifest.observation.dish_diameter_m == 12.0


def test_each_cell_counts_once(write, noisy):
    mask = quietly(write(noisy))["mask"][0]
    npix = mask.shape[0]
    assert not mask[0, 0]
    assert mask[1, 0]
    assert not mask[npix // 2 :, 0].any()
    assert not mask[npix // 2].any()
    assert not mask[:, npix // 2].any()


def test_the_order_of_axes_makes_no_difference(write, noisy):
    one = quietly(write(noisy))
    east_first = quietly(write(noisy, east_first=True))
    last_hz = REST_HZ * (1 - (FIRST_MS + WIDTH_MS * (N_CHANNELS - 1)) / C_MS)
    step_hz = REST_HZ * WIDTH_MS / C_MS
    ascending = quietly(write(noisy[::-1], CTYPE3="FREQ", CUNIT3="Hz", CRVAL3=last_hz, CDELT3=step_hz))
    for other in (east_first, ascending):
        np.testing.assert_allclose(other["mean"], one["mean"], atol=1e-6)
        np.testing.assert_allclose(other["frequency_hz"], one["frequency_hz"], rtol=1e-9)


@pytest.mark.parametrize(
    ("cards", "optical", "frame"),
    [
        ({"CTYPE3": "VELO-LSR"}, False, "LSRK"),
        ({"CTYPE3": "VELO-LSR", "VELREF": 257}, False, "LSRK"),
        ({"CTYPE3": "VELO-HEL", "VELREF": 2}, True, "BARY"),
        ({"CTYPE3": "VOPT", "SPECSYS": "BARYCENT"}, True, "BARY"),
        ({"CTYPE3": "VRAD", "CUNIT3": "KM/S", "CRVAL3": FIRST_MS / 1e3, "CDELT3": WIDTH_MS / 1e3}, False, "UNKNOWN"),
    ],
)
def test_kinds_of_velocity(write, noisy, cards, optical, frame):
    remove = () if "SPECSYS" in cards else ("SPECSYS",)
    store = quietly(write(noisy, remove=remove, **cards))
    expected = REST_HZ / (1 + FIRST_MS / C_MS) if optical else REST_HZ * (1 - FIRST_MS / C_MS)
    assert store["frequency_hz"][-1] == pytest.approx(expected, rel=1e-9)
    assert store.manifest.observation.frequency_frame == frame


def test_a_beam_for_each_channel(write):
    """Casting the beam of each channel out leaves one source."""
    source, majors = covariance(3.0, 3.0, 0.0), np.linspace(3.0, 2.6, N_CHANNELS)
    cube = noise_cube(np.random.default_rng(2), 1e-8)
    for k in range(LINE.start, LINE.stop):
        beam = covariance(majors[k], 2.2, 35.0)
        # Jy/beam: 1 Jy in all.
        peak = np.sqrt(np.linalg.det(beam) / np.linalg.det(source + beam))
        cube[k] += peak * gaussian(source + beam, 1.0, 0.0)
    columns = [
        fits.Column("BMAJ", "1E", unit="arcsec", array=majors),
        fits.Column("BMIN", "1E", unit="arcsec", array=np.full(N_CHANNELS, 2.2)),
        fits.Column("BPA", "1E", unit="deg", array=np.full(N_CHANNELS, 35.0)),
    ]
    path = write(cube, table=fits.BinTableHDU.from_columns(columns, name="BEAMS"), remove=("BMAJ", "BMIN", "BPA"))
    store = quietly(path)
    line = [N_CHANNELS - 1 - k for k in range(LINE.start, LINE.stop)]
    mask = store["mask"].all(axis=0)
    spread = np.ptp(np.abs(store["mean"][line][:, mask]), axis=0)
    assert spread.max() < 1e-4
    assert np.abs(store["mean"][line[0]][1, 0]) == pytest.approx(
        np.exp(-2 * np.pi**2 * source[0, 0] / (NPIX * CELL) ** 2), rel=1e-3
    )


def test_blank_margins_and_a_wider_image_are_cut_to_a_square(write):
    rng = np.random.default_rng(4)
    cube = np.full((N_CHANNELS, 80, 100), np.nan)
    cube[:, 8:72, 18:82] = noise_cube(rng, 1e-3)
    cube[3] = np.nan
    cube[LINE, 40, 50] += 5.0
    store = quietly(write(cube))
    assert any("took 64 x 64 of 100 x 80 pixels" in line for line in store.manifest.history)
    assert store.manifest.npix * store.manifest.cell_arcsec == pytest.approx(64 * CELL)
    assert store.manifest.observation.phase_centre_dec_deg == pytest.approx(-20.0, abs=1e-7)
    assert store.manifest.observation.phase_centre_ra_deg == pytest.approx(150.0, abs=1e-7)
    assert not store["mask"][N_CHANNELS - 1 - 3].any()
    assert store["mask"][N_CHANNELS - 1 - 4].any()
    # A point at the centre: its phase is zero.
    mean = store["mean"][N_CHANNELS - 1 - LINE.start]
    bright = store["mask"][N_CHANNELS - 1 - LINE.start]
    assert abs(np.angle(mean[bright].sum())) < 0.05
    smaller = quietly(write(cube), npix=50)
    assert smaller.manifest.npix * smaller.manifest.cell_arcsec == pytest.approx(50 * CELL)
    with pytest.raises(ContractError, match=r"64 x 64 pixels without blanks .* npix = 70 is not among them"):
        quietly(write(cube), npix=70)


def test_what_no_image_says_of_itself_is_assumed(write, noisy):
    path = write(noisy, remove=("SPECSYS",))
    told = [line.split(":")[0] for line in assumptions(quietly(path).manifest.history)]
    assert len([line for line in told if "primary beam" in line]) == 1
    assert len([line for line in told if "restored image" in line]) == 1
    assert not any(
        "primary beam" in line for line in assumptions(quietly(path, dish_diameter_m=12.0).manifest.history)
    )
    zeros = noisy.copy()
    zeros[:, :4] = 0.0
    assert any(
        "6.2 % of pixels that are exactly 0" in line for line in assumptions(quietly(write(zeros)).manifest.history)
    )


def test_velocity_range_and_line_free(write, noisy):
    path = write(noisy)
    store = quietly(path, velocity_min_kms=1595.0, velocity_max_kms=1705.0)
    assert store["frequency_hz"].size == 11
    with pytest.raises(ContractError, match="has no channel within the velocity range"):
        quietly(path, velocity_min_kms=3000.0)
    with pytest.raises(ContractError, match="0 channels with data within the line-free velocities"):
        quietly(path, line_free_kms=[(3000.0, 4000.0)])


def test_the_command_line(write, noisy, tmp_path):
    path, out = write(noisy), tmp_path / "grid.zarr"
    run = CliRunner()
    made = run.invoke(
        app, ["grid", str(path), "-o", str(out), "--npix", "60", "--line-free-kms", "1500:1600", "--json"]
    )
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["kernel"]["name"] == "none"
    told = run.invoke(app, ["info", str(path), "--json"])
    facts = json.loads(told.stdout)
    low, high = facts["line_velocity_kms"]
    assert low < 1620 < 1670 < high
    assert facts["velocity_kms"] == pytest.approx([1500.0, 1790.0])
    for extra, complaint in (
        (["--cell-arcsec", "1", "--spw", "0"], "leave out --spw, --cell-arcsec"),
        ([str(path)], "grid it alone"),
    ):
        refused = run.invoke(app, ["grid", str(path), *extra, "-o", str(tmp_path / "no.zarr")])
        assert refused.exit_code == 1
        assert complaint in refused.stderr
