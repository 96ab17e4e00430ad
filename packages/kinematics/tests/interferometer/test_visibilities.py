"""Half-plane visibilities against direct sums and an analytic source; the primary beam."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import ARCSEC_RAD, BAND_LIMITED, SkyGrid, model_visibilities, primary_beam, sample_visibilities
from scipy.special import ndtr


def direct(image, sky, u, v):
    """V = sum I exp(+2 pi i (u l + v m)) / sinc sinc, written out pixel by pixel."""
    position = sky.centres_arcsec * ARCSEC_RAD
    phase_u = np.exp(2j * np.pi * np.multiply.outer(u, position))
    phase_v = np.exp(2j * np.pi * np.multiply.outer(v, position))
    cell = sky.cell_arcsec * ARCSEC_RAD
    return np.einsum("ky,yx,kx->k", phase_v, image, phase_u) / (np.sinc(u * cell) * np.sinc(v * cell))


@pytest.mark.parametrize(("npix", "keep"), [(16, None), (15, None), (16, 8), (16, 7), (21, 7), (14, 7), (15, 8)])
def test_half_plane_is_a_direct_transform(npix, keep):
    sky = SkyGrid(npix, 0.3)
    cube = np.random.default_rng(0).standard_normal((2, npix, npix))
    got = model_visibilities(jnp.asarray(cube), sky, keep)
    n = keep or npix
    # The uv cell is one over the field of view, whatever is kept.
    data = SkyGrid(n, 0.3 * npix / n)
    assert got.shape == (2, n, n // 2 + 1)
    v, u = np.meshgrid(data.v_wavelengths, data.u_wavelengths, indexing="ij")
    for channel in range(2):
        truth = direct(cube[channel], sky, u.ravel(), v.ravel()).reshape(v.shape)
        np.testing.assert_allclose(got[channel], truth, atol=1e-11)


def test_more_pixels_than_there_are_is_refused():
    with pytest.raises(ValueError, match="npix = 20 needs longer baselines"):
        model_visibilities(jnp.zeros((16, 16)), SkyGrid(16, 0.1), 20)


def gaussian_image(sky, sigma, x0, y0):
    """Integrate a unit Gaussian over every pixel."""
    edges = np.append(sky.centres_arcsec, sky.centres_arcsec[-1] + sky.cell_arcsec) - sky.cell_arcsec / 2
    return np.outer(np.diff(ndtr((edges - y0) / sigma)), np.diff(ndtr((edges - x0) / sigma)))


def gaussian_visibility(u, v, sigma, x0, y0):
    a = ARCSEC_RAD
    return np.exp(-2 * (np.pi * sigma * a) ** 2 * (u**2 + v**2)) * np.exp(2j * np.pi * a * (u * x0 + v * y0))


def test_gaussian_source():
    sky = SkyGrid(64, 0.1)
    source = (0.25, 0.37, -0.81)
    v, u = np.meshgrid(sky.v_wavelengths, sky.u_wavelengths, indexing="ij")
    got = model_visibilities(jnp.asarray(gaussian_image(sky, *source)), sky)
    # sigma of 2.5 pixels: at the longest baseline the source holds exp(-31), so that nothing is aliased.
    np.testing.assert_allclose(got, gaussian_visibility(u, v, *source), atol=1e-12)


def test_finer_pixels_reduce_aliasing():
    data, source = SkyGrid(32, 0.3), (0.15, 0.1, 0.2)
    v, u = np.meshgrid(data.v_wavelengths, data.u_wavelengths, indexing="ij")
    truth = gaussian_visibility(u, v, *source)
    errors = []
    for factor in (1, 2, 4):
        sky = data.refined(factor)
        got = model_visibilities(jnp.asarray(gaussian_image(sky, *source)), sky, data.npix)
        errors.append(abs(got - truth).max())
    # sigma is half a data pixel. The aliased amplitude is exp(-2 (pi sigma u)^2) at u = factor - 1/2 cycles per cell,
    # 0.29 at factor 1, 1.5e-5 at factor 2 by a sinc's ratio of 1/3, nothing at factor 4.
    assert errors[0] > 0.1
    assert errors[1] < 1e-4
    assert errors[2] < 1e-12


def test_real_sky_is_hermitian_and_the_zero_spacing_is_the_flux():
    cube = np.random.default_rng(2).random((1, 12, 12))
    got = np.asarray(model_visibilities(jnp.asarray(cube), SkyGrid(12, 0.2)))[0]
    assert got[0, 0] == pytest.approx(cube.sum())
    np.testing.assert_allclose(got[1:6, 0], np.conj(got[:6:-1, 0]), atol=1e-12)


def test_single_precision_stays_single():
    assert model_visibilities(jnp.zeros((8, 8), jnp.float32), SkyGrid(8, 0.1)).dtype == jnp.complex64


def test_primary_beam():
    sky = SkyGrid(401, 0.25)
    beam = primary_beam(sky, 12.0, 230.538e9)
    fwhm = np.degrees(1.13 * 299792458.0 / 230.538e9 / 12.0) * 3600
    assert beam.shape == (401, 401)
    assert beam[200, 200] == 1
    half = np.interp(-0.5, -beam[200, 200:], sky.centres_arcsec[200:])
    # Linear interpolation between pixels of 0.25 arcsec.
    assert 2 * half == pytest.approx(fwhm, rel=1e-4)
    np.testing.assert_allclose(beam, beam.T)
    # Round: the diagonal falls as the axis does.
    i = 60
    assert beam[200 + 3 * i // 5, 200 + 4 * i // 5] == pytest.approx(beam[200, 200 + i])


def test_sampled_visibilities_are_direct_sums():
    rng = np.random.default_rng(5)
    for npix in (14, 15):
        sky = SkyGrid(npix, 0.4)
        cube = rng.standard_normal((3, npix, npix))
        longest = 0.5 / (sky.cell_arcsec * ARCSEC_RAD)
        u, v = rng.uniform(-longest, longest, (2, 20, 3))
        got = sample_visibilities(cube, sky, u, v)
        for channel in range(3):
            truth = direct(cube[channel], sky, u[:, channel], v[:, channel])
            # finufft is asked for 1e-9 of the norm, 1/sinc^2 reaches 2.5.
            np.testing.assert_allclose(got[:, channel], truth, atol=1e-7)


def test_sampling_on_grid_points_equals_the_grid():
    sky = SkyGrid(16, 0.2)
    cube = np.random.default_rng(6).standard_normal((1, 16, 16))
    v, u = np.meshgrid(sky.v_wavelengths, sky.u_wavelengths, indexing="ij")
    got = sample_visibilities(cube, sky, u.reshape(-1, 1), v.reshape(-1, 1)).reshape(u.shape)
    with jax.enable_x64(True):
        np.testing.assert_allclose(got, model_visibilities(jnp.asarray(cube), sky)[0], atol=1e-7)


def test_too_long_baselines_are_refused():
    sky = SkyGrid(16, 0.2)
    longest = 0.5 / (0.2 * ARCSEC_RAD)
    sample_visibilities(np.zeros((1, 16, 16)), sky, np.array([[0.999 * longest]]), np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"use cells below 0\.1 arcsec"):
        sample_visibilities(np.zeros((1, 16, 16)), sky, np.zeros((1, 1)), np.array([[-2 * longest]]))


def test_a_cube_with_other_channels_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 16, 16\), expected \(3, 16, 16\)"):
        sample_visibilities(np.zeros((2, 16, 16)), SkyGrid(16, 0.2), np.zeros((5, 3)), np.zeros((5, 3)))


def test_longer_baselines_than_a_filter_passes_are_refused():
    sky = SkyGrid(32, 0.2)
    longest = 0.375 / (0.2 * ARCSEC_RAD)
    sample_visibilities(np.zeros((1, 32, 32)), sky, np.array([[0.999 * longest]]), np.zeros((1, 1)), BAND_LIMITED)
    with pytest.raises(ValueError, match=r"use cells below 0\.15 arcsec"):
        sample_visibilities(np.zeros((1, 32, 32)), sky, np.array([[longest / 0.75]]), np.zeros((1, 1)), BAND_LIMITED)
