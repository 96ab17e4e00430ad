"""The cube against Monte-Carlo clouds, and its visibilities against a converged reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    BAND_LIMITED,
    BOX,
    C_KMS,
    DEFAULT_LEVELS,
    G_PC_KMS2_MSUN,
    ExponentialDisc,
    Geometry,
    Level,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    log_radii,
    model_visibilities,
    pc_per_arcsec,
    render_cube,
)

N_CLOUDS = 6_000_000


def speed(radius_arcsec):
    """Plummer sphere and black hole, in closed form [km/s], 10 Mpc away."""
    radius_pc = radius_arcsec * pc_per_arcsec(10.0)
    stars = G_PC_KMS2_MSUN * 4e9 * radius_pc**2 / (radius_pc**2 + 60.0**2) ** 1.5
    return np.sqrt(stars + G_PC_KMS2_MSUN * 2e8 / radius_pc)


def clouds(inclination, pa, x0, y0, vsys, scale, dispersion, sky, band, seed=3):
    """Counts of clouds in each channel and pixel: written from the conventions, sharing no code with the library."""
    rng = np.random.default_rng(seed)
    radius = rng.gamma(2.0, scale, N_CLOUDS)
    azimuth = rng.uniform(0, 2 * np.pi, N_CLOUDS)
    velocity = speed(radius) * np.sin(inclination) * np.cos(azimuth)
    velocity += dispersion * rng.standard_normal(N_CLOUDS)
    # Observed over rest frequency, as a radio velocity: (1 - vsys / c) is 1 / (1 + z).
    velocity = C_KMS * (1 - (1 - vsys / C_KMS) / (1 + velocity / C_KMS))
    sky_plane = radius * (np.cos(azimuth) + 1j * np.sin(azimuth) * np.cos(inclination))
    # As north + i east, the receding major axis points along exp(i PA).
    position = sky_plane * np.exp(1j * pa) + (y0 + 1j * x0)
    x = np.floor(position.imag / sky.cell_arcsec + 0.5).astype(int) + sky.npix // 2
    y = np.floor(position.real / sky.cell_arcsec + 0.5).astype(int) + sky.npix // 2
    channel = np.floor((band.first_kms + band.width_kms / 2 - velocity) / band.width_kms).astype(int)
    inside = (x >= 0) & (x < sky.npix) & (y >= 0) & (y < sky.npix) & (channel >= 0) & (channel < band.n_channels)
    index = np.ravel_multi_index(
        (channel[inside], y[inside], x[inside]), shape := (band.n_channels, sky.npix, sky.npix)
    )
    return np.bincount(index, minlength=np.prod(shape)).reshape(shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inclination", "pa", "dispersion"),
    [(np.radians(60), np.radians(35), 9.0), (np.radians(75), np.radians(290), 3.0)],
)
def test_cube_agrees_with_clouds(inclination, pa, dispersion):
    sky, band = SkyGrid(40, 0.1), VelocityGrid(1000.0 + 195.0, 15.0, 27)
    x0, y0, vsys, scale = 0.13, -0.22, 1004.0, 0.6
    counts = clouds(inclination, pa, x0, y0, vsys, scale, dispersion, sky, band)

    radii, step = log_radii(1e-4, 30.0, 400)
    curve = RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), jnp.asarray(speed(radii)))
    geometry = Geometry(inclination, pa, x0, y0, vsys)
    # Finer than the default, so that what is left is the shot noise.
    levels = (Level(None, 6), Level(20, 12), Level(4, 40))

    @jax.jit
    def cube(scale, geometry, curve):
        return render_cube(ExponentialDisc(scale), geometry, curve, 1.0, dispersion, sky, band, levels)

    # The flux of 1 Jy km/s counts velocities in the galaxy's frame, in which a channel is wider by 1 + z.
    expected = np.asarray(cube(scale, geometry, curve)) * band.width_kms / (1 - vsys / C_KMS) * N_CLOUDS

    filled = expected > 20
    z = (counts - expected)[filled] / np.sqrt(expected[filled])
    assert filled.sum() > 1500
    # Poisson: variance of z^2 is 2 + 1/expected; five standard errors of its mean.
    assert abs(np.mean(z**2) - 1) < 5 * np.sqrt(2.05 / filled.sum())
    assert abs(np.mean(z)) < 5 / np.sqrt(filled.sum())
    assert abs(z).max() < 6
    # Total within four standard errors of the clouds that fall inside.
    assert abs(counts.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())


DATA = SkyGrid(47, 0.12)
SAME_PIXELS = (Level(None, 6), Level(28, 16), Level(6, 80))
CONVERGED = (Level(None, 3), Level(100, 8), Level(40, 24), Level(8, 80))
FINE_BOXES = (Level(None, 2), Level(144, 6), Level(72, 12), Level(24, 40))


def visibilities(problem, refinement, levels, dtype=jnp.float64, pixel=BAND_LIMITED):
    """Return the disc's visibilities, tapered because the flux cut off at the field's edge depends on the pixels."""
    sky = DATA.refined(refinement)
    taper = np.cos(np.pi * sky.centres_arcsec / (DATA.npix * DATA.cell_arcsec)) ** 2
    attenuation = jnp.asarray(np.outer(taper, taper))

    @jax.jit
    def compiled(parameters):
        cube = problem.cube(sky, levels, dtype, pixel, attenuation, **parameters)
        return model_visibilities(cube, sky, DATA.npix)

    # Less q, so that every Gaussian keeps its own.
    return np.asarray(compiled({name: value for name, value in problem.parameters.items() if name != "q"}))


# In units of the peak visibility amplitude. `worst` and `rms` over cells: the default levels on 4/3 of the data's
# pixels against a converged reference. `pixels`: what of it is left with far more subcells. `boxes`: the default
# levels on twice the data's pixels that integrate.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "worst", "rms", "pixels", "boxes"),
    [("wide_line", 4.4e-4, 4.6e-5, 4.3e-4, 8.2e-3), ("narrow_line", 1.8e-3, 2.3e-4, 4.6e-4, 4.1e-2)],
)
def test_error_of_the_default_levels(name, worst, rms, pixels, boxes, request):
    problem = request.getfixturevalue(name)
    default = visibilities(problem, 4 / 3, DEFAULT_LEVELS)
    same_pixels = visibilities(problem, 4 / 3, SAME_PIXELS)
    converged = visibilities(problem, 3, CONVERGED)
    peak = abs(converged).max()
    error = abs(default - converged) / peak
    assert error.max() < 1.3 * worst
    assert np.sqrt(np.mean(error**2)) < 1.3 * rms
    assert abs(same_pixels - converged).max() / peak < 1.3 * pixels
    integrals = visibilities(problem, 2, DEFAULT_LEVELS, pixel=BOX)
    assert abs(integrals - converged).max() / peak == pytest.approx(boxes, rel=0.3)
    single = visibilities(problem, 4 / 3, DEFAULT_LEVELS, jnp.float32)
    assert single.dtype == np.complex64
    # 4e-7 and 2.2e-6 measured: float32 costs nothing beside the above.
    assert abs(single - default).max() / peak < 1e-5


@pytest.mark.slow
def test_pixels_that_integrate_and_filtered_ones_agree_where_both_are_fine(narrow_line):
    filtered = visibilities(narrow_line, 3, CONVERGED)
    boxes = visibilities(narrow_line, 6, FINE_BOXES, pixel=BOX)
    # 1.7e-3 measured: what boxes of a sixth of the data's pixels still alias.
    assert abs(filtered - boxes).max() < 3e-3 * abs(filtered).max()
