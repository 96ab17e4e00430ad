"""Gradients against central differences in double precision; jit, vmap and the degenerate places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erf
from kinematics import BOX, BandLimited, Level, SkyGrid, VelocityGrid, model_visibilities
from kinematics.render.line import Subcells, channel_flux

SKY = SkyGrid(24, 0.12)
LEVELS = (Level(None, 2), Level(8, 3))


def score(problem, sky=SKY, levels=LEVELS, pixel=BOX):
    """Return a scalar of all visibilities, as a likelihood makes one, as function of the parameters."""
    # The same band in half as many channels takes half as long.
    problem = problem._replace(channels=VelocityGrid(problem.channels.first_kms, 32.0, 14))
    rng = np.random.default_rng(0)
    shape = (problem.channels.n_channels, sky.npix, sky.npix // 2 + 1)
    pull = jnp.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))

    def function(parameters):
        vis = model_visibilities(problem.cube(sky, levels, pixel=pixel, **parameters), sky)
        return jnp.sum(jnp.real(pull * vis)) + 0.1 * jnp.sum(jnp.abs(vis) ** 2)

    return jax.jit(function)


@pytest.mark.slow
@pytest.mark.parametrize("pixel", [BOX, BandLimited(half_length=4)], ids=["box", "band_limited"])
def test_every_parameter_against_finite_differences(wide_line, pixel):
    # The supersampled squares jump by a pixel where the centre crosses a pixel's edge; here it lies inside one. In y
    # the filter's margin holds the square back.
    problem = wide_line._replace(geometry=wide_line.geometry._replace(x0_arcsec=-0.04, y0_arcsec=0.67))
    function = score(problem, pixel=pixel)
    parameters = problem.parameters
    gradient = jax.jit(jax.grad(function))(parameters)
    for name, value in parameters.items():
        step = 1e-5 if name.endswith("_rad") else 1e-5 * abs(value)
        # Fourth-order central differences; the cubic pieces of the rotation table bound what they can resolve.
        at = [function({**parameters, name: value + k * step}) for k in (-2, -1, 1, 2)]
        numeric = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)
        assert float(gradient[name]) == pytest.approx(float(numeric), rel=1e-5), name


def test_custom_gradient_equals_autodiff():
    rng = np.random.default_rng(1)
    edges = jnp.asarray(np.linspace(50, -50, 9))
    subcells = Subcells(*(jnp.asarray(rng.uniform(*limits, (4, 3))) for limits in ((0, 1), (-60, 60), (3, 20))))
    pull = jnp.asarray(rng.standard_normal((8, 4, 3)))

    def plain(edges, subcells):
        z = (edges[:, None, None] - subcells.velocity_kms) / (jnp.sqrt(2.0) * subcells.sigma_kms)
        below = 0.5 * subcells.flux * erf(z)
        return below[:-1] - below[1:]

    np.testing.assert_allclose(channel_flux(edges, subcells), plain(edges, subcells), rtol=1e-12, atol=1e-14)
    ours, theirs = (jax.grad(lambda s, f=f: jnp.sum(pull * f(edges, s)))(subcells) for f in (channel_flux, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("pixel", [BOX, BandLimited(half_length=4)], ids=["box", "band_limited"])
def test_vmap_equals_single_calls(wide_line, pixel):
    value_and_gradient = jax.value_and_grad(score(wide_line, pixel=pixel))
    # Offsets on either side of a pixel's edge, so that the supersampled squares differ from chain to chain.
    sets = [
        {**wide_line.parameters, "x0_arcsec": x0, "log10_mbh": mass}
        for x0, mass in ((-0.3, 8.0), (-0.05, 8.4), (0.07, 8.5), (0.4, 9.0))
    ]
    together = jax.jit(jax.vmap(value_and_gradient))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets))
    single = jax.jit(value_and_gradient)
    for k, one in enumerate(sets):
        # The same sums in another order.
        jax.tree.map(
            lambda a, b, k=k: np.testing.assert_allclose(a[k], b, rtol=1e-9, atol=1e-9), together, single(one)
        )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_degenerate_places_have_finite_gradients(wide_line, dtype):
    # An odd number of subcells puts one on the centre of the disc.
    sky, levels = SkyGrid(15, 0.12), (Level(None, 1), Level(5, 3))

    @jax.jit
    @jax.value_and_grad
    def function(parameters):
        return jnp.sum(wide_line.cube(sky, levels, dtype, **parameters) ** 2)

    cases = (
        {"x0_arcsec": 0.0, "y0_arcsec": 0.0, "pa_rad": 0.0},
        {"x0_arcsec": 0.24, "y0_arcsec": -0.12},
        {"x0_arcsec": 0.06, "y0_arcsec": 0.06},
        {"inclination_rad": 1e-3},
        {"sigma_gas_kms": 1e-3},
        {"sigma_gas_kms": 1e-3, "inclination_rad": 1e-3},
        {"log10_mbh": -3.0},
        {"x0_arcsec": 30.0},
    )
    for case in cases:
        chosen = {name: jnp.asarray(value, dtype) for name, value in {**wide_line.parameters, **case}.items()}
        value, gradient = function(chosen)
        assert jnp.isfinite(value), case
        assert all(jnp.isfinite(g) for g in gradient.values()), (case, gradient)
