"""The cube against KinMS's random clouds. validation/kinms_cube.py says how the conventions map."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    C_KMS,
    G_PC_KMS2_MSUN,
    ExponentialDisc,
    Geometry,
    Level,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    log_radii,
    pc_per_arcsec,
    render_cube,
)

pytest.importorskip("kinms", reason="KinMS is not installed: uv run --with kinms==3.0.14 pytest tests/peers")

from validation.kinms_cube import KinMsModel  # needs KinMS too

N_CLOUDS = 5_000_000
BAND = VelocityGrid(1000.0 + 195.0, 15.0, 27)
VSYS_KMS, SCALE_ARCSEC = 1004.0, 0.6
# Finer than the default, so that what is left is the clouds' shot noise.
LEVELS = (Level(None, 6), Level(20, 12), Level(4, 40))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def speed(radius_arcsec):
    """Plummer sphere and black hole, in closed form [km/s], 10 Mpc away."""
    radius_pc = radius_arcsec * pc_per_arcsec(10.0)
    stars = G_PC_KMS2_MSUN * 4e9 * radius_pc**2 / (radius_pc**2 + 60.0**2) ** 1.5
    return np.sqrt(stars + G_PC_KMS2_MSUN * 2e8 / radius_pc)


def our_cube(sky, inclination_deg, pa_deg, x0_arcsec, y0_arcsec, sigma_gas_kms):
    radii, step = log_radii(1e-4, 30.0, 400)
    curve = RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), jnp.asarray(speed(radii)))
    geometry = Geometry(np.radians(inclination_deg), np.radians(pa_deg), x0_arcsec, y0_arcsec, VSYS_KMS)

    @jax.jit
    def cube(scale, geometry, curve):
        return render_cube(ExponentialDisc(scale), geometry, curve, 1.0, sigma_gas_kms, sky, BAND, LEVELS)

    return np.asarray(cube(SCALE_ARCSEC, geometry, curve))


def kinms_counts(sky, **geometry):
    """Clouds per channel and pixel, each in the channel that holds its frequency."""
    # It interpolates both profiles linearly.
    radius = np.r_[0, np.geomspace(1e-4, 25 * SCALE_ARCSEC, 20_000)]
    case = {
        "npix": sky.npix,
        "cell_arcsec": sky.cell_arcsec,
        "channels": BAND.n_channels,
        "width_kms": BAND.width_kms,
        "lowest_kms": BAND.centres_kms[-1],
        "vsys_kms": VSYS_KMS,
        "disc_scale_arcsec": SCALE_ARCSEC,
        "radius_arcsec": radius,
        "velocity_kms": np.r_[speed(radius[1]), speed(radius[1:])],
        "in_band_flux_jykms": 1.0,
        **geometry,
    }
    east, north, velocity = KinMsModel(case, N_CLOUDS, seed=5).clouds()
    # f / f_rest = (1 - vsys / c) / (1 + v / c); channels are even in that.
    ratio = (1 - VSYS_KMS / C_KMS) / (1 + velocity / C_KMS)
    first, step = 1 - BAND.first_kms / C_KMS, BAND.width_kms / C_KMS
    channel = np.floor((ratio - first) / step + 0.5).astype(int)
    y, x = (np.floor(at / sky.cell_arcsec + 0.5).astype(int) + sky.npix // 2 for at in (north, east))
    shape = (BAND.n_channels, sky.npix, sky.npix)
    inside = np.all([(at >= 0) & (at < n) for at, n in zip((channel, y, x), shape, strict=True)], axis=0)
    index = np.ravel_multi_index((channel[inside], y[inside], x[inside]), shape)
    return np.bincount(index, minlength=np.prod(shape)).reshape(shape)


# Mirrored, turned and shifted skies each would be hundreds of standard errors off.
@pytest.mark.parametrize(
    ("npix", "geometry"),
    [
        (40, {"inclination_deg": 60.0, "pa_deg": 35.0, "x0_arcsec": 0.13, "y0_arcsec": -0.22, "sigma_gas_kms": 9.0}),
        (41, {"inclination_deg": 75.0, "pa_deg": 290.0, "x0_arcsec": -0.31, "y0_arcsec": 0.07, "sigma_gas_kms": 3.0}),
    ],
)
def test_the_cube_is_that_of_kinms_within_its_shot_noise(npix, geometry):
    sky = SkyGrid(npix, 0.1)
    counts = kinms_counts(sky, **geometry)
    expected = our_cube(sky, **geometry) * BAND.width_kms / (1 - VSYS_KMS / C_KMS) * N_CLOUDS

    filled = expected > 20
    z = (counts - expected)[filled] / np.sqrt(expected[filled])
    assert filled.sum() > 1500
    # Poisson: variance of z^2 is 2 + 1/expected; five standard errors of its mean.
    assert abs(np.mean(z**2) - 1) < 5 * np.sqrt(2.05 / filled.sum())
    assert abs(np.mean(z)) < 5 / np.sqrt(filled.sum())
    assert abs(z).max() < 6
    assert abs(counts.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())
