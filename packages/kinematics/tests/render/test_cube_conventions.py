"""Which way the cube faces, and what happens at the edges of field and band."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    C_KMS,
    ExponentialDisc,
    Geometry,
    Level,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    log_radii,
    render_cube,
)
from scipy.special import ndtr

SKY = SkyGrid(48, 0.1)
BAND = VelocityGrid(first_kms=195.0, width_kms=10.0, n_channels=40)
LEVELS = (Level(None, 2), Level(15, 4))


def flat_curve(speed=120.0):
    radii, step = log_radii(1e-3, 20.0, 64)
    return RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), jnp.full(64, speed))


@partial(jax.jit, static_argnames=("channels", "sky"))
def compiled(channels, sky, flux, scale, geometry, attenuation=None):
    return render_cube(ExponentialDisc(scale), geometry, flat_curve(), flux, 5.0, sky, channels, LEVELS, attenuation)


def render(channels=BAND, sky=SKY, flux=1.0, scale=0.4, **changed):
    geometry = Geometry(
        **{"inclination_rad": 1.0, "pa_rad": 0.0, "x0_arcsec": 0.0, "y0_arcsec": 0.0, "vsys_kms": 0.0, **changed}
    )
    return np.asarray(compiled(channels, sky, flux, scale, geometry))


def centroid(image, sky=SKY):
    x = y = sky.centres_arcsec
    return np.sum(image * x) / np.sum(image), np.sum(image * y[:, None]) / np.sum(image)


@pytest.mark.parametrize(
    ("pa_deg", "east", "north"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0), (45, 1, 1), (135, 1, -1)]
)
def test_receding_half_lies_at_the_position_angle(pa_deg, east, north):
    # Velocity descends with the channel: the first half of the band recedes.
    x, y = centroid(render(pa_rad=np.radians(pa_deg))[: BAND.n_channels // 2].sum(axis=0))
    assert np.sign(np.round([x, y], 3)).tolist() == [east, north]


def test_the_fastest_receding_channel_comes_first():
    # An odd number of pixels, so that the field is as symmetric as disc and band.
    spectrum = render(sky=SkyGrid(47, 0.1)).sum(axis=(1, 2))
    horns = 120.0 * np.sin(1.0)
    receding = np.argmax(spectrum[:20])
    assert abs(BAND.centres_kms[receding] - horns) < BAND.width_kms
    # Channels are alike in frequency: on either side of the line their edges lie v^2 / c = 0.03 km/s further out,
    # which in horns of 5 km/s is less than a hundredth.
    np.testing.assert_allclose(spectrum, spectrum[::-1], atol=1e-2 * spectrum.max())


def test_channels_follow_frequency():
    rest, width = 230.538e9, 8e6
    frequency = 229.4e9 + width * np.arange(30)
    grid = VelocityGrid.from_frequencies(frequency, width, rest)
    c = 299792.458
    np.testing.assert_allclose(grid.centres_kms, c * (1 - frequency / rest), rtol=1e-12)
    edges = np.append(frequency - width / 2, frequency[-1] + width / 2)
    middle = 0.5 * (edges[0] + edges[-1])
    np.testing.assert_allclose(grid.edges_about_middle_kms, c * (middle / edges - 1), atol=1e-8)
    assert len(grid.edges_about_middle_kms) == grid.n_channels + 1 == 31


@pytest.mark.parametrize("npix", [47, 48])
def test_centre_is_east_and_north_of_pixel_half(npix):
    sky = SkyGrid(npix, 0.1)
    assert sky.centres_arcsec[npix // 2] == 0
    at_origin = render(sky=sky).sum(axis=0)
    assert np.unravel_index(at_origin.argmax(), at_origin.shape) == (npix // 2, npix // 2)
    moved = render(sky=sky, x0_arcsec=0.3, y0_arcsec=-0.5).sum(axis=0)
    assert np.unravel_index(moved.argmax(), moved.shape) == (npix // 2 - 5, npix // 2 + 3)
    # A whole number of pixels moves the image and nothing else.
    np.testing.assert_allclose(moved[:-5, 3:], at_origin[5:, :-3], atol=1e-12)


def test_minor_axis_is_shortened_by_cos_i():
    image = render(pa_rad=0.0, inclination_rad=1.2, scale=0.2).sum(axis=0)
    x = SKY.centres_arcsec
    along, across = np.sum(image * x[:, None] ** 2), np.sum(image * x**2)
    # Pixels of half a scale length on the minor axis: the second moment is right to a few per cent.
    assert np.sqrt(across / along) == pytest.approx(np.cos(1.2), rel=0.03)


def test_flux_is_conserved_inside_field_and_band():
    sky = SkyGrid(96, 0.1)
    total = render(sky=sky, flux=3.0, scale=0.35, inclination_rad=0.9).sum() * BAND.width_kms
    # 13.7 scale lengths lie inside the field (1.6e-5 of the flux outside); the cusp is sampled at 0.025 arcsec.
    assert total == pytest.approx(3.0, rel=3e-4)


def test_flux_outside_the_band_is_dropped():
    kept = slice(12, 23)
    part = VelocityGrid(BAND.centres_kms[kept][0], BAND.width_kms, 11)
    whole = render()
    assert whole[:12].sum() > 0.1 * whole.sum()
    # Edge channels hold only what is theirs: no folding.
    np.testing.assert_allclose(render(part), whole[kept], atol=1e-14)


def test_a_band_beside_the_line_is_empty():
    assert abs(render(VelocityGrid(900.0, 10.0, 8))).max() < 1e-15


def test_one_channel_of_vsys_rolls_the_cube_by_one():
    # A higher velocity is a lower frequency: an earlier channel. The redshift of 10 km/s also stretches the line,
    # whose horns at 100 km/s move by 0.003 km/s.
    there, here = render(vsys_kms=BAND.width_kms)[:-1], render()[1:]
    np.testing.assert_allclose(there, here, atol=1e-3 * here.max())


def test_line_profile_of_a_face_on_disc_is_gaussian():
    spectrum = render(inclination_rad=1e-6).sum(axis=(1, 2))
    edges = C_KMS * (1 / (1 - (BAND.first_kms - BAND.width_kms * (np.arange(41) - 0.5)) / C_KMS) - 1)
    share = ndtr(edges[:-1] / 5.0) - ndtr(edges[1:] / 5.0)
    np.testing.assert_allclose(spectrum / spectrum.sum(), share, atol=1e-8)


def test_attenuation_is_that_of_where_the_light_is():
    geometry = Geometry(1.0, 0.4, 0.23, -0.11, 0.0)
    fine = SkyGrid(3 * SKY.npix, SKY.cell_arcsec / 3)

    def beam(sky):
        one = np.exp(-((sky.centres_arcsec - 0.3) ** 2) / 3)
        return jnp.asarray(np.outer(one, one))

    def light(sky, levels, attenuation):
        args = (ExponentialDisc(0.4), geometry, flat_curve(), 1.0, 5.0, sky, BAND, levels)
        return np.asarray(jax.jit(lambda a: render_cube(*args, a))(attenuation)).sum(axis=(1, 2))

    # The same subcells, once with pixels of 0.1 arcsec to interpolate between and once with a third of that.
    coarse, told = (light(SKY, (Level(None, 12),), a) for a in (beam(SKY), None))
    truth = light(fine, (Level(None, 4),), beam(fine))
    assert np.all(truth < 0.95 * told)
    # Linear between values of a Gaussian 0.1 arcsec apart, sigma^2 = 1.5 arcsec^2: in its middle too low by
    # 2 * 0.1^2 / (12 * 1.5) on average over a pixel.
    np.testing.assert_allclose(coarse, truth, rtol=1.5e-3)
