"""Expected cell means against direct Fourier sums at the places of the samples, gridded here by hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    ARCSEC_RAD,
    C_KMS,
    CellMoments,
    Level,
    SkyGrid,
    UvCells,
    VelocityGrid,
    expected_means,
    model_visibilities,
    uv_track,
)

# The mock of NGC 4697: Stokes I of two correlations of 0.045 Jy each, half an hour of 120 s integrations.
SIGMA_JY = 0.045 / np.sqrt(2)
FREQUENCY_HZ = 229.6e9
BETA = 2.0
DATA = SkyGrid(144, 0.12)
SKY = DATA.refined(1.5)


def kernel(x):
    return np.i0(BETA * np.sqrt(np.maximum(1 - 4 * x**2, 0)))


OFFSET = np.linspace(-0.5, 0.5, 2001)
SECOND_MOMENT = np.average(OFFSET**2, weights=kernel(OFFSET))


def taper(sky):
    """Transform of the kernel over the image, by quadrature."""
    phase = 2 * np.pi * np.outer(sky.centres_arcsec / (sky.npix * sky.cell_arcsec), OFFSET)
    profile = np.average(np.cos(phase), axis=1, weights=kernel(OFFSET))
    return np.outer(profile, profile)


class Gridded(NamedTuple):
    """Samples on a half plane, and how they lie in its cells; `cell` is each sample's place in the flat plane."""

    u: np.ndarray
    v: np.ndarray
    cell: np.ndarray
    weight: np.ndarray
    moments: CellMoments
    filled: np.ndarray
    sigma_jy: np.ndarray

    def mean(self, values):
        size = self.filled.size
        total = np.bincount(self.cell, self.weight, size)
        re, im = (np.bincount(self.cell, self.weight * part, size) for part in (values.real, values.imag))
        return np.where(total > 0, (re + 1j * im) / np.where(total > 0, total, 1), 0).reshape(self.filled.shape)


def gridded(data):
    """Put a track of a 43-antenna array of 1.4 km in the cells of a grid."""
    rng = np.random.default_rng(8)
    radius, angle = 700 * rng.random(43) ** 0.8, 2 * np.pi * rng.random(43)
    antennas = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(43)], axis=1)
    track = uv_track(antennas, -23.0, -5.8, -0.25, 0.25, 120.0)
    field = data.npix * data.cell_arcsec * ARCSEC_RAD * FREQUENCY_HZ / (C_KMS * 1e3)
    u, v = track.u_m * field, track.v_m * field
    u, v = np.where(u < 0, -u, u), np.where(u < 0, -v, v)
    # Into the half plane, and in the column u = 0 to v >= 0.
    other = (np.rint(u) == 0) & (np.rint(v) < 0)
    u, v = np.where(other, -u, u), np.where(other, -v, v)
    inside = (np.rint(u) <= (data.npix - 1) // 2) & (abs(np.rint(v)) <= (data.npix - 1) // 2)
    u, v = u[inside], v[inside]
    shape = (data.npix, data.npix // 2 + 1)
    cell = (np.rint(v).astype(int) % data.npix) * shape[1] + np.rint(u).astype(int)
    du, dv = u - np.rint(u), v - np.rint(v)
    weight = kernel(du) * kernel(dv)
    size = shape[0] * shape[1]
    total, square = np.bincount(cell, weight, size), np.bincount(cell, weight**2, size)
    filled = total > 0

    def moment(values):
        mean = np.bincount(cell, weight * values, size)[filled] / total[filled]
        out = np.zeros(size, np.float16)
        out[filled] = mean
        return out.reshape(1, *shape).astype(np.float32)

    moments = CellMoments(
        moment(du), moment(dv), moment(du**2 - SECOND_MOMENT), moment(du * dv), moment(dv**2 - SECOND_MOMENT)
    )
    sigma = np.full(size, np.inf)
    sigma[filled] = SIGMA_JY * np.sqrt(square[filled]) / total[filled]
    wavelengths = 1 / (data.npix * data.cell_arcsec * ARCSEC_RAD)
    return Gridded(
        u * wavelengths, v * wavelengths, cell, weight, moments, filled.reshape(shape), sigma.reshape(shape)
    )


def direct(image, sky, u, v):
    """V = sum I exp(+2 pi i (u l + v m)), pixel averages taken back to the sky itself."""
    position, cell = sky.centres_arcsec * ARCSEC_RAD, sky.cell_arcsec * ARCSEC_RAD
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    phase_v = np.exp(2j * np.pi * np.outer(v, position[rows]))
    phase_u = np.exp(2j * np.pi * np.outer(u, position[columns]))
    total = np.sum((phase_v @ image[np.ix_(rows, columns)]) * phase_u, axis=1)
    return total / (np.sinc(u * cell) * np.sinc(v * cell))


def worst_errors(image, grid):
    """Largest error of a cell [sigma of its real part], without and with the cells' response."""
    truth = grid.mean(direct(image, SKY, grid.u, grid.v))
    cube = jnp.asarray((image * taper(SKY))[None])
    plain = model_visibilities(cube, SKY, DATA.npix)[0]
    cells = UvCells.of(grid.filled[None], SKY, grid.moments, float)
    means = cells.on_half_plane(expected_means(cube, cells), DATA.npix)[0]
    return tuple(float(np.max(abs(truth - model) / grid.sigma_jy)) for model in (plain, means))


@pytest.fixture(scope="module")
def grid():
    return gridded(DATA)


def test_a_rotating_disc(grid, narrow_line):
    # Channels at 222, 210 and 198 km/s of the 235 km/s that are seen: their light lies along one half of the major
    # axis, far from the phase centre.
    disc = narrow_line._replace(channels=VelocityGrid(narrow_line.geometry.vsys_kms + 222, 12.0, 3))
    cube = np.asarray(jax.jit(lambda: disc.cube(SKY, levels=(Level(None, 2),)))())
    plain, means = np.transpose([worst_errors(channel, grid) for channel in cube])
    np.testing.assert_array_less([1.5, 1.5, 1.0], plain)
    # Measured 0.096, 0.063, 0.031: the stencils near the edge of the field, and moments beyond the second.
    np.testing.assert_array_less(means, [0.1, 0.08, 0.05])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sources_far_from_the_phase_centre(grid, seed):
    rng = np.random.default_rng(seed)
    image = np.zeros((SKY.npix, SKY.npix))
    # Twelve sources, a fifth of the field to each side, together as bright as the brightest channel of the disc.
    places = rng.integers(-(SKY.npix // 5), SKY.npix // 5, (2, 12))
    np.add.at(image, tuple(SKY.npix // 2 + places), rng.random(12))
    plain, means = worst_errors(0.05 * image / image.sum(), grid)
    # Measured 1.0 to 1.5 without, 0.056 to 0.078 with the response.
    assert plain > 0.9
    assert means < 0.1


NAMES = CellMoments._fields


def whole_plane(npix, channels=1):
    return np.ones((channels, npix, npix // 2 + 1), bool)


@pytest.mark.slow
@pytest.mark.parametrize("npix", [31, 32])
@pytest.mark.parametrize("name", NAMES)
def test_each_moment_goes_with_its_derivative(npix, name):
    """A point source at (x, y) fields has V = exp(2 pi i (u x + v y)), with derivatives known exactly."""
    sky = SkyGrid(128, npix / 128)
    moments = dict.fromkeys(NAMES, np.zeros((1, npix, npix // 2 + 1)))
    moments[name] = np.random.default_rng(2).uniform(-1, 1, (1, npix, npix // 2 + 1))
    cells = UvCells.of(whole_plane(npix), sky, CellMoments(**moments), float)
    u, v = np.rint(np.fft.rfftfreq(npix) * npix), np.rint(np.fft.fftfreq(npix) * npix)[:, None]
    pixel = np.sinc(u / 128) * np.sinc(v / 128)
    for x, y in ((0.2, -0.25), (-0.19, 0.14), (0.28, 0.27), (-0.15, -0.3)):
        x, y = np.rint(128 * np.array([x, y])) / 128
        cube = np.zeros((1, 128, 128))
        cube[0, 64 + round(128 * y), 64 + round(128 * x)] = 1
        wave, a, b = np.exp(2j * np.pi * (u * x + v * y)), 2j * np.pi * x, 2j * np.pi * y
        factor = {"u": a, "v": b, "uu": a * a / 2, "uv": a * b, "vv": b * b / 2}[name.split("_")[1]]
        got = cells.on_half_plane(expected_means(jnp.asarray(cube), cells), npix)[0] * pixel
        # Stencils against the closed form at these places: 4 %, 10 % and, if mixed, 20 %.
        error = {"u": 0.05, "v": 0.05, "uu": 0.12, "uv": 0.22, "vv": 0.12}[name.split("_")[1]]
        np.testing.assert_allclose(got, wave * (1 + moments[name][0] * factor), atol=error * abs(factor))


def problem(npix=16, channels=2, filled=0.6, dtype=float):
    rng = np.random.default_rng(3)
    sky = SkyGrid(npix, 0.5).refined(1.5)
    shape = (channels, npix, npix // 2 + 1)
    moments = CellMoments(*rng.uniform(-0.5, 0.5, (5, *shape)))
    cells = UvCells.of(rng.random(shape) < filled, sky, moments, dtype)
    return cells, jnp.asarray(rng.standard_normal((channels, sky.npix, sky.npix)))


@pytest.mark.parametrize(("npix", "channels", "filled"), [(16, 2, 0.6), (17, 3, 0.02), (17, 2, 1.0)])
def test_gradient_is_that_of_finite_differences(npix, channels, filled):
    cells, cube = problem(npix, channels, filled)
    data = np.random.default_rng(4).standard_normal((len(cells.place), channels, 2)) @ [1, 1j]

    @jax.jit
    def misfit(cube):
        residual = expected_means(cube, cells) - data
        return jnp.sum(residual.real**2 + 3 * residual.imag**2)

    gradient = jax.jit(jax.grad(misfit))(cube)
    rng = np.random.default_rng(5)
    for _ in range(4):
        step = rng.standard_normal(cube.shape)
        # A quadratic: central differences have no truncation, only rounding of a sum of about 1e5.
        slope = (misfit(cube + step) - misfit(cube - step)) / 2
        np.testing.assert_allclose(jnp.vdot(gradient, step), slope, rtol=1e-10)


def test_vectorised_over_parameter_sets():
    cells, cube = problem()
    cubes = jnp.stack([cube, -2 * cube, jnp.flip(cube)])

    def power(cube):
        return jnp.sum(jnp.abs(expected_means(cube, cells)) ** 3)

    alone = jax.jit(jax.value_and_grad(power))
    together = jax.jit(jax.vmap(jax.value_and_grad(power)))(cubes)
    for i, one in enumerate(cubes):
        value, gradient = alone(one)
        np.testing.assert_allclose(together[0][i], value, rtol=1e-12)
        np.testing.assert_allclose(together[1][i], gradient, atol=1e-12 * float(abs(gradient).max()))


@pytest.mark.parametrize("npix", [16, 17])
@pytest.mark.parametrize("moments", [True, False])
def test_evenly_filled_cells_have_the_visibilities_of_their_centres(npix, moments):
    sky = SkyGrid(npix, 0.5).refined(1.5)
    mask = whole_plane(npix, 2)
    none = CellMoments(*np.zeros((5, *mask.shape))) if moments else None
    cube = jnp.asarray(np.random.default_rng(6).standard_normal((2, sky.npix, sky.npix)))
    plain = model_visibilities(cube, sky, npix)
    cells = UvCells.of(mask, sky, none, float)
    got = cells.on_half_plane(expected_means(cube, cells), npix)
    np.testing.assert_allclose(got, plain, atol=1e-13 * float(abs(plain).max()))


def test_cells_that_hold_data_in_one_channel_are_listed_in_all():
    mask = np.zeros((2, 17, 9), bool)
    mask[0, 3, 4] = mask[1, -2, 5] = True
    cells = UvCells.of(mask, SkyGrid(26, 0.3))
    plane = np.random.default_rng(7).standard_normal(mask.shape)
    kept = np.zeros((17, 9), bool)
    kept[3, 4] = kept[-2, 5] = True
    np.testing.assert_array_equal(cells.on_half_plane(cells.listed(plane), 17), np.where(kept, plane, 0))


def test_data_sets_much_alike_share_shapes():
    """So that they share what is compiled."""
    rng = np.random.default_rng(9)
    mask = rng.random((1, 65, 33)) < 0.1
    fewer = mask & (rng.random(mask.shape) > 0.03)
    moments = CellMoments(*np.zeros((5, *mask.shape)))
    one, other = (jax.tree.map(jnp.shape, UvCells.of(each, SkyGrid(96, 0.3), moments)) for each in (mask, fewer))
    assert mask.sum() > fewer.sum()
    assert one == other


def test_single_precision_stays():
    cells, cube = problem(dtype=np.float32)
    single = expected_means(cube.astype(jnp.float32), cells)
    assert single.dtype == jnp.complex64
    double = expected_means(cube, problem()[0])
    np.testing.assert_allclose(single, double, atol=2e-6 * float(abs(double).max()))


def test_what_a_cube_cannot_hold_is_refused():
    mask = whole_plane(16)
    moments = CellMoments(*np.zeros((5, *mask.shape)))
    with pytest.raises(ValueError, match="npix = 16 plus 8 for the cell response needs longer baselines"):
        UvCells.of(mask, SkyGrid(22, 0.3), moments)
    with pytest.raises(ValueError, match="npix = 16 needs longer baselines than 14 cube pixels"):
        UvCells.of(mask, SkyGrid(14, 0.3))
    with pytest.raises(ValueError, match="the cube has 25 pixels along a side; the number must be even"):
        UvCells.of(mask, SkyGrid(25, 0.3), moments)
    with pytest.raises(ValueError, match="no uv cell contains data"):
        UvCells.of(~mask, SkyGrid(24, 0.3), moments)
