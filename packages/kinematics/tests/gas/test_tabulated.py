"""A tabulated disc against SciPy's monotone interpolation and quadrature."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import TabulatedDisc
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator

RADII = np.array([0.0, 0.1, 0.35, 0.5, 1.1, 1.2, 2.5, 4.0])
BRIGHTNESS = 1e-17 * np.array([1.0, 3.0, 8.0, 8.0, 2.0, 2.5, 0.4, 0.0])
TABLES = {
    "from the centre": (RADII, BRIGHTNESS),
    "from a hole": (RADII[1:], BRIGHTNESS[1:]),
    "three radii": (np.array([0.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.0])),
    "with a step at the end": (RADII, BRIGHTNESS + 1e-18),
    "exponential": (np.linspace(0, 8, 60), np.exp(-np.linspace(0, 8, 60))),
}


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


def test_unit_flux(table):
    profile = jax.jit(TabulatedDisc(*table).surface_brightness)

    def annulus(radius):
        return 2 * np.pi * radius * float(profile(radius))

    edges = np.unique(np.r_[0.0, table[0]])
    total = sum(quad(annulus, a, b, epsabs=1e-13)[0] for a, b in pairwise(edges))
    # Cubics times R are within the degree of the quadrature: only rounding is left.
    assert total == pytest.approx(1, abs=1e-12)


def test_it_is_scipys_interpolant_but_for_the_flat_end():
    radius = np.linspace(0, RADII[-2], 400)
    got = TabulatedDisc(RADII, BRIGHTNESS).surface_brightness(jnp.asarray(radius))
    expected = PchipInterpolator(RADII, BRIGHTNESS)(radius)
    # SciPy's slope at 2.5 is that of an inner knot too; the scale between the two is that of the flux.
    np.testing.assert_allclose(got / got[0], expected / expected[0], rtol=1e-12)


def test_an_exponential_table_is_an_exponential_disc():
    # Knots 0.14 scale lengths apart, cut at 8: the cubic is within 3e-5 of the peak, the flux lost 3e-3.
    radius = jnp.linspace(0.0, 7.0, 300)
    got = TabulatedDisc(*TABLES["exponential"]).surface_brightness(radius)
    np.testing.assert_allclose(got, jnp.exp(-radius) / (2 * np.pi * (1 - 9 * np.exp(-8))), atol=3e-5)


def test_value_and_slope_are_continuous_and_it_never_turns_negative():
    disc = TabulatedDisc(*TABLES["from a hole"])
    radius = jnp.linspace(0.0, 4.4, 4001)
    value = jax.vmap(disc.surface_brightness)(radius)
    slope = jax.vmap(jax.grad(disc.surface_brightness))(radius)
    assert value.min() >= 0
    assert value[-1] == 0
    assert value[0] == value[50]
    # In a step of 1.1e-3 the slope changes by no more than the steepest curvature allows: 1e-2 of its largest.
    assert jnp.abs(jnp.diff(slope)).max() < 0.05 * jnp.abs(slope).max()


@pytest.mark.slow
def test_single_precision(table):
    radius = np.linspace(0, 5, 97)
    double = TabulatedDisc(*table).surface_brightness(jnp.asarray(radius))
    single = TabulatedDisc(*table).surface_brightness(jnp.asarray(radius, jnp.float32))
    assert single.dtype == jnp.float32
    # Of the peak, as towards zero the cubic's terms cancel; a radius next to the step rounds over it.
    away = np.abs(radius - table[0][-1]) > 1e-6
    np.testing.assert_allclose(single[away], double[away], atol=3e-6 * float(double.max()))


def test_gradients_of_the_table_are_finite_and_those_of_differences():
    radius = jnp.asarray([0.0, 0.2, 0.5, 1.15, 3.0, 4.0, 9.0])

    def total(values):
        return jnp.sum(jnp.arange(1.0, 8.0) * TabulatedDisc(RADII, values).surface_brightness(radius))

    values = jnp.asarray([1.0, 3.0, 8.0, 7.0, 2.0, 2.5, 0.4, 0.0])
    gradient = jax.jit(jax.grad(total))(values)
    h = 1e-6
    # The last value is held at 0, where the slope of the piece before has its corner.
    for k in range(7):
        numeric = (total(values.at[k].add(h)) - total(values.at[k].add(-h))) / (2 * h)
        assert float(gradient[k]) == pytest.approx(float(numeric), rel=1e-6, abs=1e-8)
    flat = jax.grad(total)(jnp.asarray([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]))
    assert jnp.isfinite(flat).all()
