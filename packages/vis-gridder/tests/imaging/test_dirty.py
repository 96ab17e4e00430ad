import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from steelyard_schemas import ContractError
from vis_gridder import (
    GridSpec,
    dirty_beam,
    dirty_cube,
    fit_beam,
    grid,
    moments,
    radio_velocity_kms,
    suggest_grid,
    write_fits,
)
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S

CELL, NPIX, F = 0.1, 64, 230e9
LAM = F / SPEED_OF_LIGHT_M_S


@pytest.fixture(scope="module")
def baselines():
    """Rows whose uv points are scattered as a Gaussian, so that the beam is one too."""
    return np.random.default_rng(0).normal(0, 150.0, (2, 40000))


@pytest.fixture
def source(make_vis, baselines):
    """Return a gridded store of a point source of 1 Jy, 1.2 arcsec east and 0.7 north, and its noise-free image."""
    u, v = baselines
    point = np.exp(2j * np.pi * LAM * ARCSEC * (u * 1.2 + v * 0.7))
    rng = np.random.default_rng(1)
    noise = 1e-3 * (rng.standard_normal(u.size) + 1j * rng.standard_normal(u.size))
    return grid(make_vis(u, v, (point + noise)[:, None]), GridSpec(CELL, NPIX, min_count=10**6))


def test_a_source_appears_where_it_is_with_its_flux(source):
    image = dirty_cube(source)[0]
    y, x = np.unravel_index(np.argmax(image), image.shape)
    assert (x - NPIX // 2, y - NPIX // 2) == (12, 7), "x grows to the east, y to the north"
    # The scatter of uv points within their cells: below a percent for 40 000 of them.
    assert image[y, x] == pytest.approx(1.0, abs=0.01)
    assert dirty_cube(source, correct_taper=False)[0][y, x] < 0.95


def test_image_is_the_direct_sum(source):
    # Oracle: the definition, summed over the cells of the half plane.
    uu, vv = np.meshgrid(source["u_wavelengths"], source["v_wavelengths"])
    mask = source["mask"][0]
    weight, mean = 1 / source["variance"][0][mask].astype(float), source["mean"][0][mask]
    image, beam = dirty_cube(source, correct_taper=False)[0], dirty_beam(source)[0]
    for y, x in [(32, 32), (3, 60), (0, 0), (39, 44)]:
        angle = -2j * np.pi * ARCSEC * CELL * (uu[mask] * (x - 32) + vv[mask] * (y - 32))
        assert image[y, x] == pytest.approx((weight * mean * np.exp(angle)).real.sum() / weight.sum(), abs=1e-6)
        assert beam[y, x] == pytest.approx((weight * np.exp(angle)).real.sum() / weight.sum(), abs=1e-6)


def test_beam_of_gaussian_coverage(make_vis):
    # uv points scattered with sigma_u, sigma_v make a beam of sigma 1 / (2 pi sigma_u): closed form.
    rng = np.random.default_rng(2)
    pa = np.radians(30.0)
    along, across = rng.normal(0, 60.0, 400_000), rng.normal(0, 120.0, 400_000)
    u, v = along * np.sin(pa) - across * np.cos(pa), along * np.cos(pa) + across * np.sin(pa)
    unit = np.ones((u.size, 1)) + 1e-3 * rng.standard_normal((u.size, 1))
    gridded = grid(make_vis(u, v, unit), GridSpec(CELL, 128, beta=0.0, min_count=10**6))
    beam = fit_beam(dirty_beam(gridded)[0], CELL)
    fwhm = 2.3548200450309493 / (2 * np.pi * LAM * ARCSEC)
    # The uv cell (0.016 arcsec^-1) blurs the coverage by its width / sqrt(12): under 1 %.
    assert beam.major_arcsec == pytest.approx(fwhm / 60.0, rel=0.015)
    assert beam.minor_arcsec == pytest.approx(fwhm / 120.0, rel=0.015)
    assert beam.pa_deg == pytest.approx(30.0, abs=1.0)
    with pytest.raises(ContractError, match="make the pixels finer"):
        fit_beam(np.eye(9)[4] * np.eye(9)[4][:, None], CELL)


def test_fits_puts_the_source_on_the_sky(source, tmp_path):
    path = tmp_path / "cube.fits"
    write_fits(path, dirty_cube(source), source, beam=fit_beam(dirty_beam(source)[0], CELL))
    with fits.open(path) as hdus:
        header, data = hdus[0].header, hdus[0].data
    assert header["CDELT1"] < 0
    assert header["BUNIT"] == "Jy/beam"
    assert header["RESTFRQ"] == pytest.approx(230.538e9)
    wcs = WCS(header)
    y, x = np.unravel_index(np.argmax(data[0]), data[0].shape)
    found = wcs.celestial.pixel_to_world(x, y)
    centre = SkyCoord(150.0, 2.0, unit="deg")
    east, north = centre.spherical_offsets_to(found)
    # Offsets are whole pixels; the tangent plane's curvature is nothing here.
    assert east.arcsec == pytest.approx(1.2, abs=1e-6)
    assert north.arcsec == pytest.approx(0.7, abs=1e-6)
    assert wcs.spectral.pixel_to_world(0).to_value("Hz") == pytest.approx(F)
    with pytest.raises(ContractError, match="exists already"):
        write_fits(path, data, source)


def test_moments_of_gaussian_lines():
    velocity = np.arange(1300.0, 900.0, -10.0)  # as frequencies ascend
    centre = np.array([[1100.0, 1150.0], [1080.0, 1120.0]])
    line = np.exp(-((velocity[:, None, None] - centre) ** 2) / (2 * 30.0**2))
    result = moments(line, velocity, threshold=1e-4)
    # Sums over a Gaussian sampled at a third of sigma are exact to 1e-8 but for the clipped wings, 1e-4.
    np.testing.assert_allclose(result.integrated, 30.0 * np.sqrt(2 * np.pi), rtol=1e-3)
    np.testing.assert_allclose(result.velocity_kms, centre, atol=0.05)
    np.testing.assert_allclose(result.dispersion_kms, 30.0, rtol=2e-3)
    rng = np.random.default_rng(3)
    noise = moments(rng.standard_normal((5, 100, 100)) * np.arange(1, 6)[:, None, None], velocity[:5])
    # The median of 10 000 deviations is good to 1.2 %; four sigma.
    np.testing.assert_allclose(noise.threshold, 4.0 * np.arange(1, 6), rtol=0.05)


def test_radio_velocity():
    # CO(2-1) seen at 229.5 GHz: 299792.458 (1 - 229.5 / 230.538) km/s.
    assert radio_velocity_kms(np.array([229.5e9]), 230.538e9)[0] == pytest.approx(1349.8181, abs=1e-3)


def test_suggested_grid_holds_every_baseline_and_the_primary_beam(make_vis, baselines):
    u, v = baselines
    vis = make_vis(u, v, np.exp(1j * np.arange(u.size))[:, None])
    spec = suggest_grid(vis)
    assert grid(vis, spec).manifest.noise.n_outside == 0
    assert spec.npix % 2 == 0
    primary_beam_arcsec = 1.13 / (12.0 * LAM) / ARCSEC
    assert 1.2 * primary_beam_arcsec <= spec.npix * spec.cell_arcsec < 1.4 * primary_beam_arcsec
    unknown = suggest_grid(make_vis(u, v, np.ones((u.size, 1)), dish_diameter_m=None))
    assert unknown.cell_arcsec == spec.cell_arcsec
    finer = suggest_grid(vis, cell_arcsec=spec.cell_arcsec / 2)
    assert finer.npix == pytest.approx(2 * spec.npix, rel=0.1)
