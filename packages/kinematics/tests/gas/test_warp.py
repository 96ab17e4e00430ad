"""Warped discs against rings laid on the sky one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    ExponentialDisc,
    Geometry,
    Level,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    Warp,
    crowding,
    disc_plane,
    line_of_sight_velocity,
    log_radii,
    render_cube,
)

FLAT = Geometry(np.radians(58.0), np.radians(35.0), 0.21, -0.13, 0.0)
DISC = ExponentialDisc(0.9)
WARPS = {
    "twist": Warp(np.radians(12.0), 0.0, 1.0, 3.5),
    "tilt outwards": Warp(0.0, np.radians(4.0), 1.0, 4.0),
    "tilt inwards": Warp(0.0, np.radians(-9.0), 2.0, 4.0),
    "both": Warp(np.radians(-8.0), np.radians(3.0), 0.5, 3.0),
}


@pytest.fixture(params=WARPS)
def geometry(request):
    return FLAT._replace(warp=WARPS[request.param])


def orientation(geometry, radius):
    offset = np.minimum(radius, geometry.warp.outer_arcsec) - geometry.warp.reference_arcsec
    return (
        geometry.inclination_rad + geometry.warp.inclination_rad_per_arcsec * offset,
        geometry.pa_rad + geometry.warp.pa_rad_per_arcsec * offset,
    )


def on_the_sky(geometry, radius, azimuth):
    """Where a point of a tilted ring appears, x east and y north."""
    inclination, pa = orientation(geometry, radius)
    major, minor = radius * np.cos(azimuth), radius * np.sin(azimuth) * np.cos(inclination)
    x = geometry.x0_arcsec + major * np.sin(pa) - minor * np.cos(pa)
    y = geometry.y0_arcsec + major * np.cos(pa) + minor * np.sin(pa)
    return x, y


def some_points(n=4000, low=1e-4, high=8.0):
    rng = np.random.default_rng(1)
    return rng.uniform(low, high, n), rng.uniform(-np.pi, np.pi, n)


def test_every_point_finds_its_ring(geometry):
    radius, azimuth = some_points()
    plane = jax.jit(lambda x, y: disc_plane(geometry, x, y))(*on_the_sky(geometry, radius, azimuth))
    np.testing.assert_allclose(plane.major, radius * np.cos(azimuth), atol=1e-10)
    np.testing.assert_allclose(plane.minor, radius * np.sin(azimuth), atol=1e-10)
    np.testing.assert_allclose(plane.cos_i, np.cos(orientation(geometry, radius)[0]), atol=1e-10)


def test_every_point_finds_its_ring_in_single_precision(geometry):
    radius, azimuth = some_points()
    x, y = (jnp.asarray(a, jnp.float32) for a in on_the_sky(geometry, radius, azimuth))
    plane = jax.jit(lambda x, y: disc_plane(geometry, x, y))(x, y)
    assert plane.flux_factor.dtype == jnp.float32
    # Positions of up to 8 arcsec hold 5e-7, and the minor axis and the crowding of rings magnify them up to tenfold.
    np.testing.assert_allclose(plane.major, radius * np.cos(azimuth), atol=1e-5)
    np.testing.assert_allclose(plane.minor, radius * np.sin(azimuth), atol=1e-5)


def test_brightness_is_the_jacobian_of_rings_to_sky(geometry):
    radius, azimuth = some_points(500, 0.05)
    # Off the kink, across which differences mean nothing.
    away = np.abs(radius - geometry.warp.outer_arcsec) > 1e-3
    radius, azimuth = radius[away], azimuth[away]
    h = 1e-5

    def difference(dr, da):
        ahead, behind = (on_the_sky(geometry, radius + s * dr, azimuth + s * da) for s in (1, -1))
        return [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]

    (x_r, y_r), (x_a, y_a) = difference(h, 0), difference(0, h)
    jacobian = np.abs(x_r * y_a - x_a * y_r)
    plane = disc_plane(geometry, *on_the_sky(geometry, radius, azimuth))
    # Central differences: h^2 for truncation, 1e-16 / h for rounding.
    np.testing.assert_allclose(plane.flux_factor, radius / jacobian, rtol=1e-6)


def test_flux_in_pixels_is_that_of_rings(geometry):
    """Each ring's share of the flux, spread evenly in azimuth, falls into pixels of 0.4 arcsec."""
    n_rings, n_azimuth = 2000, 2000
    share = (np.arange(n_rings) + 0.5) / n_rings
    # Rings of equal flux: the inverse of 1 - (1 + x) exp(-x), tabulated.
    table = np.linspace(0, 30, 200_001)
    radius = DISC.scale_arcsec * np.interp(share, 1 - (1 + table) * np.exp(-table), table)
    azimuth = 2 * np.pi * (np.arange(n_azimuth) + 0.5) / n_azimuth
    x, y = on_the_sky(geometry, radius[:, None], azimuth[None, :])
    edges = np.linspace(-4.0, 4.0, 21)
    truth = np.histogram2d(y.ravel(), x.ravel(), (edges, edges))[0] / x.size

    fine = (np.arange(800) + 0.5) * 0.01 - 4.0
    plane = jax.jit(lambda x, y: disc_plane(geometry, x, y))(fine[None, :], fine[:, None])
    brightness = DISC.surface_brightness(jnp.hypot(plane.major, plane.minor)) * plane.flux_factor
    got = np.asarray(brightness).reshape(20, 40, 20, 40).sum(axis=(1, 3)) * 0.01**2
    # The rings are 3e6 points per flux of one, of which a pixel's edge catches some hundred more or less.
    np.testing.assert_allclose(got, truth, atol=1e-4)
    assert got.sum() == pytest.approx(truth.sum(), abs=2e-4)


def test_velocity_field(geometry):
    radius, azimuth = some_points(300, 0.1)
    plane = disc_plane(geometry, *on_the_sky(geometry, radius, azimuth))
    found = jnp.hypot(plane.major, plane.minor)
    inclination = orientation(geometry, radius)[0]
    expected = 150 * radius**0.3 * np.sin(inclination) * np.cos(azimuth)
    np.testing.assert_allclose(line_of_sight_velocity(plane, found, 150.0 * found**0.3), expected, atol=1e-8)


def test_without_change_it_is_the_flat_disc():
    radius, azimuth = some_points(200)
    none = FLAT._replace(warp=Warp(0.0, 0.0, 1.0, 4.0))
    at = on_the_sky(none, radius, azimuth)
    warped, flat = disc_plane(none, *at), disc_plane(FLAT, *at)
    for name in ("major", "minor", "sin_i", "cos_i", "flux_factor"):
        np.testing.assert_allclose(getattr(warped, name), getattr(flat, name), rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_differences(geometry):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-3, 3, (2, 60))
    pull = jnp.asarray(rng.standard_normal((3, 60)))

    @jax.jit
    def total(geometry):
        plane = disc_plane(geometry, x, y)
        return jnp.sum(pull * jnp.stack([plane.major, plane.minor, plane.flux_factor]))

    values = jax.tree.map(jnp.asarray, geometry)
    leaves, structure = jax.tree.flatten(values)
    got = jax.tree.leaves(jax.jit(jax.grad(total))(values))
    for k, leaf in enumerate(leaves):
        h = 1e-6
        ahead, behind = (
            total(jax.tree.unflatten(structure, [*leaves[:k], leaf + s * h, *leaves[k + 1 :]])) for s in (1, -1)
        )
        # Points within 1e-6 of the kink at the outer radius would break the differences; these are not.
        assert float(got[k]) == pytest.approx(float((ahead - behind) / (2 * h)), rel=1e-5, abs=1e-4)


def test_vmap_equals_single_calls():
    sets = [jax.tree.map(jnp.asarray, FLAT._replace(warp=warp)) for warp in WARPS.values()]
    x, y = np.random.default_rng(6).uniform(-4, 4, (2, 50))

    def brightness(geometry):
        plane = disc_plane(geometry, x, y)
        return jnp.sum(DISC.surface_brightness(jnp.hypot(plane.major, plane.minor)) * plane.flux_factor)

    call = jax.value_and_grad(brightness)
    together = jax.jit(jax.vmap(call))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets))
    single = jax.jit(call)
    for k, one in enumerate(sets):
        jax.tree.map(lambda a, b, k=k: np.testing.assert_allclose(a[k], b, rtol=1e-10), together, single(one))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_the_centre_is_finite(dtype):
    geometry = jax.tree.map(lambda a: jnp.asarray(a, dtype), FLAT._replace(warp=WARPS["both"]))

    def total(geometry):
        plane = disc_plane(geometry, geometry.x0_arcsec + jnp.zeros(1, dtype), geometry.y0_arcsec)
        return jnp.sum(plane.major + plane.minor + plane.flux_factor)

    value, gradient = jax.value_and_grad(total)(geometry)
    assert jnp.isfinite(value)
    assert all(jnp.isfinite(g) for g in jax.tree.leaves(gradient))


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.97, 1.03])
@pytest.mark.parametrize("name", ["twist", "tilt outwards"])
def test_rings_that_cross_are_nan(name, factor):
    """Scale a warp to either side of where the smallest Jacobian over a dense set of rings turns negative."""
    base = FLAT._replace(warp=WARPS[name])
    radius = np.linspace(1e-3, base.warp.outer_arcsec - 1e-3, 400)[:, None]
    azimuth = np.linspace(0, 2 * np.pi, 721)[None, :]

    def scaled(strength):
        twist, tilt, reference, outer = base.warp
        return base._replace(warp=Warp(strength * twist, strength * tilt, reference, outer))

    def smallest(strength):
        geometry, h = scaled(strength), 1e-5
        x_r, y_r = (
            a - b for a, b in zip(*(on_the_sky(geometry, radius + s * h, azimuth) for s in (1, -1)), strict=True)
        )
        x_a, y_a = (
            a - b for a, b in zip(*(on_the_sky(geometry, radius, azimuth + s * h) for s in (1, -1)), strict=True)
        )
        jacobian = (x_r * y_a - x_a * y_r) / radius
        return np.min(jacobian * np.sign(np.median(jacobian)))

    strengths = np.linspace(0.5, 8, 151)
    critical = strengths[np.argmax([smallest(s) < 0 for s in strengths])]
    geometry = scaled(factor * critical)
    assert (float(crowding(geometry.warp, geometry.inclination_rad)) < 1) == (factor < 1)
    assert bool(jnp.isnan(disc_plane(geometry, np.ones(3), np.ones(3)).flux_factor).all()) == (factor > 1)


def test_an_edge_on_ring_is_nan():
    geometry = FLAT._replace(warp=Warp(0.0, np.radians(12.0), 1.0, 4.0))
    assert np.isinf(crowding(geometry.warp, geometry.inclination_rad))
    assert jnp.isnan(disc_plane(geometry, 1.0, 1.0).flux_factor)


def test_strong_warps_still_converge():
    """Just short of crossing rings, where Newton's method alone goes astray."""
    rng = np.random.default_rng(3)
    worst = 0.0
    for _ in range(40):
        geometry = FLAT._replace(
            inclination_rad=rng.uniform(0.2, 1.4), warp=Warp(rng.normal(0, 0.4), rng.normal(0, 0.1), 1.0, 4.0)
        )
        if crowding(geometry.warp, geometry.inclination_rad) < 0.95:
            radius, azimuth = some_points(1000)
            plane = disc_plane(geometry, *on_the_sky(geometry, radius, azimuth))
            worst = max(worst, float(jnp.abs(jnp.hypot(plane.major, plane.minor) - radius).max()))
    assert worst < 1e-6


@pytest.mark.slow
def test_a_cube_of_a_warped_disc(geometry):
    """Total flux and the velocities on the sky, by way of the renderer, under jit with a gradient."""
    radii, step = log_radii(1e-3, 30.0, 128)
    sky, channels = SkyGrid(64, 0.2), VelocityGrid(252.0, 8.0, 64)

    def cube(geometry):
        curve = RotationCurve(jnp.asarray(radii[0]), jnp.asarray(step), 150.0 * jnp.asarray(radii) ** 0.3)
        levels = (Level(None, 2), Level(24, 5))
        return render_cube(DISC, geometry, curve, 1.0, 6.0, sky, channels, levels)

    image = np.asarray(jax.jit(cube)(geometry))
    # Of the disc 0.1 % lies beyond the image; the rest is pixels and the cusp.
    assert image.sum() * channels.width_kms == pytest.approx(1, abs=4e-3)
    n = 1500
    radius = DISC.scale_arcsec * np.random.default_rng(4).gamma(2.0, 1.0, n * 200)
    azimuth = np.random.default_rng(5).uniform(0, 2 * np.pi, n * 200)
    x, y = on_the_sky(geometry, radius, azimuth)
    v = 150 * radius**0.3 * np.sin(orientation(geometry, radius)[0]) * np.cos(azimuth)
    edges = np.linspace(-6.5, 6.3, 17)
    count, _, _ = np.histogram2d(y, x, (edges, edges))
    mean = np.histogram2d(y, x, (edges, edges), weights=v)[0] / np.maximum(count, 1)
    coarse = image.reshape(64, 16, 4, 16, 4).sum(axis=(2, 4))
    moment = np.tensordot(channels.centres_kms, coarse, (0, 0)) / coarse.sum(axis=0)
    bright = count > 3000
    assert bright.sum() > 15
    # Three thousand clouds of velocities that differ by 60 km/s within a block of 0.8 arcsec: 1 km/s.
    np.testing.assert_allclose(moment[bright], mean[bright], atol=4.0)
