"""The cube against Monte-Carlo clouds, and its visibilities against a converged reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
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
    velocity = vsys + speed(radius) * np.sin(inclination) * np.cos(azimuth)
    velocity += dispersion * rng.standard_normal(N_CLOUDS)
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

    expected = np.asarray(cube(scale, geometry, curve)) * band.width_kms * N_CLOUDS

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
FINE = (Level(None, 2), Level(144, 6), Level(72, 12), Level(24, 40))


def visibilities(problem, refinement, levels, dtype=jnp.float64):
    sky = DATA.refined(refinement)

    @jax.jit
    def compiled(parameters):
        return model_visibilities(problem.cube(sky, levels, dtype, **parameters), sky, DATA.npix)

    # Less q, so that every Gaussian keeps its own.
    return np.asarray(compiled({name: value for name, value in problem.parameters.items() if name != "q"}))


# Measured on pixels of 0.06 arcsec (the data's 0.12 refined by two), in units of the peak visibility amplitude.
# `supersampling`: the default levels against far more subcells on the same pixels. `worst` and `rms` over cells:
# against 6 x refined pixels, so with what coarse pixels alias into the corners of the uv plane, where the worst lies.
@pytest.mark.parametrize(
    ("name", "supersampling", "worst", "rms"),
    [("wide_line", 5.3e-4, 3.8e-3, 6.7e-4), ("narrow_line", 4.9e-3, 2.3e-2, 2.5e-3)],
)
def test_error_of_the_default_levels(name, supersampling, worst, rms, request):
    problem = request.getfixturevalue(name)
    default = visibilities(problem, 2, DEFAULT_LEVELS)
    same_pixels = visibilities(problem, 2, (Level(None, 6), Level(48, 12), Level(24, 24), Level(8, 100)))
    converged = visibilities(problem, 6, FINE)
    peak = abs(converged).max()
    error = abs(default - converged) / peak
    assert abs(default - same_pixels).max() / peak < 1.3 * supersampling
    assert error.max() < 1.3 * worst
    assert np.sqrt(np.mean(error**2)) < 1.3 * rms
    single = visibilities(problem, 2, DEFAULT_LEVELS, jnp.float32)
    assert single.dtype == np.complex64
    # 3e-7 and 2e-6 measured: float32 costs nothing beside the above.
    assert abs(single - default).max() / peak < 1e-5
