"""Restored image cubes as gridded visibilities: an analytic source, noise, axes, and files that cannot be used."""

import json
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from steelyard_schemas import ContractError, Kernel
from typer.testing import CliRunner
from vis_gridder import assumptions, is_image_cube, open_visibilities, read_image_cube, taper
from vis_gridder.cli import app
from vis_gridder.grid.gridding import GridWarning

CELL, NPIX, N_CHANNELS = 0.5, 64, 30
BEAM = (3.0, 2.2, 35.0)
REST_HZ = 115.2712018e9
WIDTH_MS, FIRST_MS = 10e3, 1500e3
C_MS = 299792458.0
LINE = slice(12, 18)
ARCSEC = np.pi / 648000
PER_SIGMA = np.sqrt(8 * np.log(2))


def covariance(major, minor, pa_deg):
    """Of a Gaussian with these full widths, in (east, north)."""
    angle = np.radians(pa_deg)
    axes = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
    return axes.T @ np.diag(np.square([major, minor]) / PER_SIGMA**2) @ axes


def gaussian(cov, x0, y0, npix=NPIX):
    """Peak 1, [y, x], x to the east from pixel npix // 2."""
    at = (np.arange(npix) - npix // 2) * CELL
    x, y = np.meshgrid(at - x0, at - y0)
    return np.exp(-0.5 * np.einsum("ixy,ij,jxy->xy", np.stack([x, y]), np.linalg.inv(cov), np.stack([x, y])))


def noise_cube(rng, sigma, n=N_CHANNELS, npix=NPIX, beam=BEAM):
    """White noise convolved with the beam, not periodic, of standard deviation sigma: [channel, y, x]."""
    wide = npix + 40
    at = np.fft.fftfreq(wide, CELL)
    u, v = np.meshgrid(at, at)
    response = np.exp(
        -2 * np.pi**2 * np.einsum("ixy,ij,jxy->xy", np.stack([u, v]), covariance(*beam), np.stack([u, v]))
    )
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, wide, wide))) * response).real
    return noise[:, 20 : 20 + npix, 20 : 20 + npix] * sigma / noise.std()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a cube [channel, y, x], x to the east, as FITS; header cards by keyword."""

    def function(cube, *, name="cube.fits", east_first=False, stokes=1, table=None, remove=(), **cards):
        cube = np.asarray(cube)
        ny, nx = cube.shape[1:]
        header = fits.Header()
        pixel = nx // 2 + 1 if east_first else nx - nx // 2
        header.update(
            CTYPE1="RA---SIN", CRVAL1=150.0, CDELT1=(CELL if east_first else -CELL) / 3600, CRPIX1=pixel,
            CTYPE2="DEC--SIN", CRVAL2=-20.0, CDELT2=CELL / 3600, CRPIX2=ny // 2 + 1,
            CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=FIRST_MS, CDELT3=WIDTH_MS, CRPIX3=1.0,
            CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0,
            RESTFRQ=REST_HZ, SPECSYS="LSRK", BUNIT="Jy/beam", OBJECT="toy", TELESCOP="ALMA",
            BMAJ=BEAM[0] / 3600, BMIN=BEAM[1] / 3600, BPA=BEAM[2],
        )  # fmt: skip
        header.update(cards)
        for key in remove:
            del header[key]
        data = np.repeat(cube[None, :, :, :: 1 if east_first else -1], stokes, axis=0)
        hdus = [fits.PrimaryHDU(data.astype(np.float32), header)]
        if table is not None:
            hdus.append(table)
        path = tmp_path / name
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return function


@pytest.fixture(scope="module")
def noisy():
    """A Gaussian source in the line channels with noise."""
    rng = np.random.default_rng(1)
    cube = noise_cube(rng, 1e-3)
    cube[LINE] += 0.05 * gaussian(covariance(4.0, 3.0, 100.0), 3.0, -2.0)
    return cube


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridWarning)
        return read_image_cube(path, **options)


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


def normalised(store, channels):
    mask = store["mask"][channels]
    mean = np.where(mask, store["mean"][channels], 0) / np.sqrt(np.where(mask, store["variance"][channels], 1))
    return mean, mask


@pytest.mark.parametrize(("n_channels", "n_cubes"), [(6, 24), (40, 8)])
def test_noise_correlated_by_the_beam_is_independent_in_cells_and_right(write, n_channels, n_cubes):
    """Few channels (pooled over 3 x 3 cells) and many; the noise is measured on some and tested on the others."""
    rng = np.random.default_rng(3)
    chi2, neighbours, n = 0.0, 0.0, 0
    for k in range(n_cubes):
        path = write(noise_cube(rng, 1e-3, n=n_channels), name=f"{k}.fits")
        edge = FIRST_MS / 1e3 + WIDTH_MS / 1e3 * (n_channels / 2 - 0.5)
        store = quietly(path, line_free_kms=[(0, edge)])
        z, mask = normalised(store, slice(0, n_channels // 2))
        nu = np.median(store["dof"][store["mask"]])
        assert nu == pytest.approx(54 if n_channels == 6 else 40)
        # The mean of F(2, nu).
        chi2 += np.sum(np.abs(z) ** 2) / 2 * (nu - 2) / nu
        both = mask[:, :, 1:] & mask[:, :, :-1]
        neighbours += np.sum((z[:, :, 1:] * z[:, :, :-1].conj()).real[both]) / 2 / both.sum() / n_cubes
        n += mask.sum()
    # |z|^2 / 2 of a cell has variance 1, and the noise of its estimate is shared by all channels.
    assert chi2 / n == pytest.approx(1.0, abs=0.05)
    # The sharp edges of a field of ten beams leave 3 % between neighbours, with alternating sign.
    assert abs(neighbours) < 0.05


@pytest.mark.parametrize(("size", "x0"), [(1.0, 0.0), (3.0, 0.0), (1.0, 8.0)])
def test_the_error_of_a_fitted_flux_is_right(write, size, x0):
    """Of a Gaussian source, by least squares in each of 200 channels of noise, each of which is a realisation."""
    n = 200
    store = quietly(write(noise_cube(np.random.default_rng(9), 1e-3, n=n)), line_free_kms=[(0, 1e5)])
    v, u = np.meshgrid(store["v_wavelengths"] * ARCSEC, store["u_wavelengths"] * ARCSEC, indexing="ij")
    template = np.exp(-2 * np.pi**2 * size**2 * (u**2 + v**2) + 2j * np.pi * u * x0)
    weight = np.where(store["mask"], 1 / np.where(store["mask"], store["variance"], 1), 0)
    information = (weight * np.abs(template) ** 2).sum(axis=(1, 2))
    flux = (weight * (store["mean"] * template.conj()).real).sum(axis=(1, 2)) / information
    assert np.std(flux * np.sqrt(information)) == pytest.approx(1.0, abs=0.15)


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


def test_channels_that_share_noise_are_told_and_inflate(write):
    rng = np.random.default_rng(5)
    independent = noise_cube(rng, 1e-3, n=N_CHANNELS + 2)
    hanning = 0.25 * independent[:-2] + 0.5 * independent[1:-1] + 0.25 * independent[2:]
    with pytest.warns(GridWarning, match=r"neighbouring channels correlates by \+0\.6[5-9]"):
        store = read_image_cube(write(hanning))
    mask = store["mask"]
    mean = np.where(mask, store["mean"], 0).mean(axis=0)[mask[0]]
    variance = store["variance"].mean(axis=0)[mask[0]] / mask.shape[0]
    # What is as wide as the band has the noise that the variances promise: 1 + 2 (2/3 + 1/6) = 2.67.
    assert np.mean(np.abs(mean) ** 2 / 2 / variance) == pytest.approx(1.0, abs=0.2)


def test_a_line_that_fills_the_band_leaves_the_noise_beside_it(write):
    rng = np.random.default_rng(6)
    noise = noise_cube(rng, 1e-3, n=12)
    source = 0.02 * gaussian(covariance(4.0, 3.0, 0.0), 0.0, 0.0)
    beside = quietly(write(noise + source))
    assert any("pixels beside the line" in line for line in beside.manifest.history)
    mask = beside["mask"]
    only_noise = quietly(write(noise), line_free_kms=[(0, 1e4)])
    ratio = beside["variance"][mask & only_noise["mask"]] / only_noise["variance"][mask & only_noise["mask"]]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    assert np.median(beside["dof"][mask]) > 50


ABSORBER = slice(13, 16)


def absorbed(rng, emission_jy=0.0, absorption_jy=-0.6):
    """Noise of 1 mJy, a Gaussian source in the line channels, and a point 6 arcsec east of it in fewer, Jy/beam."""
    cube = noise_cube(rng, 1e-3)
    source = covariance(2.0, 1.5, 60.0)
    beam = covariance(*BEAM)
    spread = np.sqrt(np.linalg.det(beam) / np.linalg.det(source + beam))
    cube[LINE] += emission_jy * spread * gaussian(source + beam, -3.0, -2.0)
    cube[ABSORBER] += absorption_jy * gaussian(beam, 6.0, 3.0)
    return cube


@pytest.mark.parametrize("n_channels", [N_CHANNELS, 6])
def test_absorption_is_signal_and_not_noise(write, n_channels):
    """The variance of a cube with absorption is that of its noise; so it is where the line fills the band."""
    first = 0 if n_channels == N_CHANNELS else ABSORBER.start
    channels = slice(first, first + (n_channels if n_channels == N_CHANNELS else 3))
    noise = absorbed(np.random.default_rng(12), absorption_jy=0.0)[channels]
    cube = absorbed(np.random.default_rng(12))[channels]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no word of channels that share noise
        store = read_image_cube(write(cube))
    reference = quietly(write(noise), line_free_kms=[(0, 1e5)] if first == 0 else [])
    both = store["mask"] & reference["mask"]
    ratio = np.sqrt(store["variance"][both] / reference["variance"][both])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    if first == 0:
        # Three channels of 30, and one at each side that the mean of three may light.
        assert any(f"from {n} channels without line" in line for line in store.manifest.history for n in (25, 26, 27))
    assert any("line in absorption" in line for line in store.manifest.history)


@pytest.mark.parametrize(
    ("emission_jy", "absorption_jy", "kind"),
    [
        (0.8, 0.0, "emission"),
        (0.0, -0.6, "absorption"),
        (0.8, -0.6, "emission and absorption"),
        (0.8, -0.03, "emission"),
        (0.03, -0.6, "emission and absorption"),  # the emission has channels of its own
        (0.0, 0.0, "undecided"),
    ],
)
def test_the_sign_of_a_line_and_its_fluxes(write, emission_jy, absorption_jy, kind):
    cube = absorbed(np.random.default_rng(13), emission_jy, absorption_jy)
    told = CliRunner().invoke(app, ["info", str(write(cube)), "--json"])
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    assert facts["line_sign"] == kind
    # Jy times channels of 10 km/s.
    noise = 0.5
    assert facts["emission_jykms"] == pytest.approx(emission_jy * 60.0, rel=0.03, abs=noise)
    assert facts["absorption_jykms"] == pytest.approx(absorption_jy * 30.0, rel=0.03, abs=noise)
    lines = [line for line in facts["history"] if line.startswith(("line in", "no line stands out"))]
    assert len(lines) == 1
    assert (f"line in {kind}: " in lines[0]) == (kind != "undecided")
    assert ("may be sidelobes" in lines[0]) == (absorption_jy == -0.03)


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


def test_noise_that_rises_to_the_edges_is_told(write, noisy):
    at = np.hypot(*np.meshgrid(*(2 * [np.arange(NPIX) - NPIX // 2]))) / NPIX
    with pytest.warns(GridWarning, match="as in an image corrected for the primary beam"):
        read_image_cube(write(noisy * np.exp(4 * at**2)))


def test_velocity_range_and_line_free(write, noisy):
    path = write(noisy)
    store = quietly(path, velocity_min_kms=1595.0, velocity_max_kms=1705.0)
    assert store["frequency_hz"].size == 11
    with pytest.raises(ContractError, match="has no channel within the velocity range"):
        quietly(path, velocity_min_kms=3000.0)
    with pytest.raises(ContractError, match="0 channels with data within the line-free velocities"):
        quietly(path, line_free_kms=[(3000.0, 4000.0)])


def ones(shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("change", "options", "complaint"),
    [
        (None, {"remove": ("BMAJ", "BMIN", "BPA")}, "does not give its beam"),
        (None, {"BMAJ": 0.0, "BMIN": 0.0}, "has a beam of 0 x 0 arcsec"),
        (None, {"BMAJ": 3.0, "BMIN": 2.2}, "if it is in arcsec, divide BMAJ and BMIN by 3600"),
        (None, {"BMAJ": 0.8 / 3600, "BMIN": 0.8 / 3600}, "fewer than two across"),
        (None, {"BMAJ": 20 / 3600, "BMIN": 15 / 3600}, "less than four beams"),
        (None, {"remove": ("RESTFRQ",)}, "no rest frequency"),
        (None, {"BUNIT": "counts"}, r"is in 'counts' \(BUNIT\)"),
        (None, {"BUNIT": "Jy/beam km/s"}, "a moment map, integrated over the line; give the cube"),
        (None, {"BUNIT": "K.KM/S"}, "a moment map"),
        (None, {"BUNIT": "JY/BEAM*HZ"}, "a moment map"),
        (None, {"BUNIT": "m/s"}, "a moment map"),
        (None, {"BUNIT": "Jy"}, r"is in 'Jy' \(BUNIT\)"),
        (None, {"RESTFRQ": 115.2712018}, "rest frequency of 115.271 Hz"),
        (None, {"CRVAL3": 1500.0, "CDELT3": 10.0, "remove": ("CUNIT3",)}, "0.01 km/s if they are in m/s"),
        (None, {"CUNIT3": "km/s"}, "beyond the speed of light"),
        (None, {"CUNIT3": "furlong"}, r"an axis VRAD in 'furlong' \(CUNIT3\)"),
        (None, {"PC3_1": 0.5}, "tied to its place on the sky"),
        (None, {"CROTA2": 30.0}, "rotated by 30 degrees"),
        (None, {"remove": ("BUNIT",)}, r"is in '' \(BUNIT\)"),
        (None, {"stokes": 3, "CRVAL4": 2.0}, "holds Q, U, V, none of them Stokes I"),
        (None, {"CRVAL4": 2.0}, "holds Q, none of them Stokes I"),
        (None, {"stokes": 4, "CTYPE4": "LINEAR"}, "give Stokes I"),
        (None, {"CTYPE3": "LINEAR"}, "none of them spectral"),
        (None, {"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": 2.6e-3, "CDELT3": 1e-6}, "spectral axis WAVE"),
        (None, {"CTYPE1": "GLON-SIN", "CTYPE2": "GLAT-SIN"}, "right ascension and declination are needed"),
        (None, {"PC1_1": 0.9, "PC1_2": -0.43, "PC2_1": 0.43, "PC2_2": 0.9}, "rotated by"),
        (None, {"CDELT2": 0.6 / 3600}, "regrid it to square pixels"),
        (lambda cube: cube[:1], {}, "single channel"),
        (lambda cube: np.full_like(cube, np.nan), {}, "every pixel is NaN or zero"),
        (lambda cube: np.zeros_like(cube), {}, "every pixel is NaN or zero"),
        (lambda cube: np.where(cube > 2e-3, cube, 0), {}, "give the cube before that"),
        (lambda cube: np.where(cube > 2e-3, cube, np.nan), {}, "give the cube before that"),
    ],
)
def test_bad_cubes_get_one_line(write, noisy, change, options, complaint):
    path = write(noisy if change is None else change(noisy.copy()), **options)
    with pytest.raises(ContractError, match=complaint) as caught:
        quietly(path)
    assert "\n" not in str(caught.value)


def test_a_cube_without_noise(write):
    cube = np.zeros((N_CHANNELS, NPIX, NPIX)) + 1e-12
    cube[LINE] += gaussian(covariance(4.0, 3.0, 0.0), 0.0, 0.0)
    with pytest.raises(ContractError, match="holds no noise"):
        quietly(write(cube))


def test_a_map_is_no_cube(write, tmp_path, noisy):
    header = fits.getheader(write(noisy))
    for key in [k for k in header if k.endswith(("3", "4")) and k != "NAXIS4"]:
        if not key.startswith("NAXIS"):
            del header[key]
    path = tmp_path / "map.fits"
    fits.PrimaryHDU(noisy[0].astype(np.float32), header).writeto(path)
    with pytest.raises(ContractError, match="not a map of a moment"):
        quietly(path)


def test_an_image_is_told_from_uvfits(write, noisy, tmp_path):
    path = write(noisy)
    assert is_image_cube(path)
    (tmp_path / "text.csv").write_text("1,2,3")
    assert not is_image_cube(tmp_path / "text.csv")
    assert not is_image_cube(tmp_path)
    with pytest.raises(ContractError, match="is an image cube, not visibilities"):
        open_visibilities(path)


@pytest.fixture
def small(noisy):
    """Return a function of a small cube, for an array would fill pages where hypothesis tells of a failure."""
    return lambda: noisy[::6, :48, :48]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), put=st.binary(min_size=1, max_size=80), cut=st.booleans())
@example(place=0.154296875, put=b"\x00", cut=False)  # wcslib's reason has several lines
def test_a_damaged_image_is_read_or_refused(write, small, place, put, cut):
    path = write(small())
    content = path.read_bytes()
    # Half of the damage goes to the header, which is a small part of the file.
    start = int(2 * place * 2880) if place < 0.5 else int(place * len(content))
    path.write_bytes(content[:start] if cut else content[:start] + put + content[start + len(put) :])
    if not is_image_cube(path):
        return
    try:
        store = quietly(path)
    except ContractError as error:
        told = str(error)
    else:
        told = "read"
        assert np.all(np.isfinite(store["mean"]))
        assert np.all(store["variance"][store["mask"]] > 0)
    assert "\n" not in told


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
