"""What pixels hold: integrals, or samples of the sky without what pixels cannot show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import BAND_LIMITED, BOX, BandLimited, Level, SkyGrid, model_visibilities
from kinematics.render.pixel import deposit_matrix, subcell_places


def test_a_box_adds_up_the_subcells_of_its_pixel():
    values = np.random.default_rng(0).random(5 * 3)
    matrix = deposit_matrix(BOX, 5, 3, wrap=False)
    np.testing.assert_allclose(matrix @ values, values.reshape(5, 3).sum(axis=1))
    np.testing.assert_array_equal(matrix, deposit_matrix(BOX, 5, 3, wrap=True))


def test_the_filter_passes_what_pixels_hold_and_stops_what_is_aliased_into_that():
    t, step = np.linspace(-BAND_LIMITED.half_length, BAND_LIMITED.half_length, 40001, retstep=True)
    weights = BAND_LIMITED.filter(t)

    def transform(cycles):
        return step * np.sum(weights * np.cos(2 * np.pi * cycles[:, None] * t), axis=1)

    assert abs(transform(np.linspace(0, 0.375, 61)) - 1).max() < 1.5e-4
    assert abs(transform(np.linspace(0.625, 2, 221))).max() < 1.5e-4


def test_a_subcell_has_the_visibility_of_where_it_is():
    """Spread over a pixel's square; not, as with boxes, that of a square about its pixel's centre."""
    npix, subcells = 24, 5
    u = np.arange(10) / npix  # cycles per pixel, up to 0.375
    place = subcell_places(npix * subcells, subcells)
    pixels = np.arange(npix)
    truth = np.sinc(u)[:, None] / np.sinc(u / subcells)[:, None] * np.exp(2j * np.pi * u[:, None] * place)
    error = {}
    for pixel in (BAND_LIMITED, BOX):
        spectrum = np.exp(2j * np.pi * u[:, None] * pixels) @ deposit_matrix(pixel, npix, subcells, wrap=True)
        error[pixel] = abs(spectrum - truth).max()
    assert error[BAND_LIMITED] < 5e-4
    assert error[BOX] > 0.5


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("pixel", [BOX, BAND_LIMITED])
def test_no_light_is_lost(pixel, wrap):
    matrix = deposit_matrix(pixel, 6, 4, wrap=wrap)
    assert matrix.shape == (6 if wrap else 6 + 2 * pixel.margin, 24)
    np.testing.assert_allclose(matrix.sum(axis=0), 1, rtol=1e-12)


def test_light_wraps_as_a_discrete_transform_has_it():
    apart, wrapped = (deposit_matrix(BandLimited(half_length=3), 6, 2, wrap=wrap) for wrap in (False, True))
    modes = np.exp(2j * np.pi * np.arange(6)[:, None] * np.arange(-4, 10) / 6)
    np.testing.assert_allclose(modes[:, 4:10] @ wrapped, modes @ apart, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1.8])
def test_supersampled_squares_change_no_light_wherever_the_centre_is(wide_line, offset):
    """Squares that stay off the image's edge, or fill the image, hold the same disc as subcells all over."""
    data = SkyGrid(48, 0.12)
    sky = data.refined(4 / 3)

    def visibilities(levels):
        @jax.jit
        def compiled(parameters):
            cube = wide_line.cube(sky, levels, pixel=BAND_LIMITED, **parameters)
            return model_visibilities(cube, sky, data.npix)

        changed = {**wide_line.parameters, "x0_arcsec": offset, "y0_arcsec": -offset}
        return np.asarray(compiled({name: value for name, value in changed.items() if name != "q"}))

    everywhere = visibilities((Level(None, 6),))
    peak = abs(everywhere).max()
    # 60 pixels and the filter's margin are more than the image: the square is the image.
    for side, tolerance in ((20, 5e-3 if offset else 1e-3), (60, 1e-12)):
        nested = visibilities((Level(None, 3), Level(side, 6)))
        # Three subcells or six: all that differs, most where the centre is near the edge of a square held back.
        assert abs(nested - everywhere).max() < tolerance * peak


def test_nothing_jumps_where_the_centre_crosses_the_edge_of_a_pixel(wide_line):
    sky = SkyGrid(64, 0.09)
    levels = (Level(None, 1), Level(20, 2), Level(9, 4))

    @jax.jit
    def cube(x0):
        return wide_line.cube(sky, levels, pixel=BAND_LIMITED, x0_arcsec=x0, y0_arcsec=0.03)

    step = 1e-6
    for edge in (0.5 * sky.cell_arcsec, 1.0 * sky.cell_arcsec):  # where squares of odd and of even sides move on
        before, at, after = (cube(edge + k * step) for k in (-1, 1, 3))
        assert abs((after - at) - (at - before)).max() < 1e-3 * abs(at - before).max()


def test_the_first_level_is_the_whole_image(wide_line):
    with pytest.raises(ValueError, match="must be the whole image"):
        wide_line.cube(SkyGrid(48, 0.12), (Level(20, 2),))


@pytest.mark.slow
def test_single_precision_stays_single(wide_line):
    cube = wide_line.cube(SkyGrid(40, 0.12), (Level(None, 1), Level(8, 3)), jnp.float32, BAND_LIMITED)
    assert cube.dtype == jnp.float32
