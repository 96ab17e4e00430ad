"""Interpolation of the rotation table against analytic curves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import RotationCurve, interpolate, log_radii

CURVES = {
    "kepler": (lambda r: 300 / np.sqrt(r), lambda r: -150 / np.sqrt(r)),
    "isothermal": (lambda r: 220.0 + 0 * r, lambda r: 0 * r),
    "plummer": (lambda r: 250 * r / (1 + r**2) ** 0.75, lambda r: 250 * r * (1 - 0.5 * r**2) / (1 + r**2) ** 1.75),
}


def table(curve, n, dtype=jnp.float64):
    radii, step = log_radii(1e-3, 50.0, n)
    return RotationCurve(jnp.asarray(radii[0], dtype), jnp.asarray(step, dtype), jnp.asarray(curve(radii), dtype))


@pytest.mark.parametrize("name", CURVES)
def test_value_and_slope(name):
    curve, slope = CURVES[name]
    # Two nodes in from the ends, where the slopes are of fourth order.
    radius = np.geomspace(1.2e-3, 40.0, 1001)
    value, per_arcsec = jax.vmap(jax.value_and_grad(partial(interpolate, table(curve, 256))))(jnp.asarray(radius))
    largest = abs(curve(radius)).max()
    # 256 nodes over 4.7 decades, step 0.042 in ln R: errors h^4 v''''/384 = 1e-9 and h^3 v''''/ 72 = 1e-6.
    np.testing.assert_allclose(value, curve(radius), atol=3e-8 * largest)
    np.testing.assert_allclose(per_arcsec * radius, slope(radius), atol=3e-6 * largest)


def test_error_falls_with_the_fourth_power_of_the_step():
    curve, _ = CURVES["plummer"]
    radius = np.geomspace(0.1, 10, 501)
    coarse, fine = (abs(interpolate(table(curve, n), radius) - curve(radius)).max() for n in (64, 127))
    # Exactly 16 only in the limit; 14 rules out third order.
    assert coarse / fine > 14


def test_nodes_are_kept():
    curve, _ = CURVES["plummer"]
    radii, _ = log_radii(1e-3, 50.0, 64)
    np.testing.assert_allclose(interpolate(table(curve, 64), radii), curve(radii), rtol=1e-12)


def test_beyond_the_table_the_end_velocity_holds_without_slope():
    curve, _ = CURVES["kepler"]
    value, slope = jax.vmap(jax.value_and_grad(partial(interpolate, table(curve, 64))))(
        jnp.array([1e-6, 1e-4, 60.0, 1e4])
    )
    np.testing.assert_allclose(value, curve(np.array([1e-3, 1e-3, 50.0, 50.0])), rtol=1e-12)
    assert (slope == 0).all()


def test_single_precision():
    curve, _ = CURVES["plummer"]
    radius = np.geomspace(1.2e-3, 40.0, 301)
    value = interpolate(table(curve, 256, jnp.float32), jnp.asarray(radius, jnp.float32))
    assert value.dtype == jnp.float32
    # ln R / step reaches 256, so its float32 rounding moves R by 6e-7 in ln R, v by as much.
    np.testing.assert_allclose(value, curve(radius), rtol=1e-5)
