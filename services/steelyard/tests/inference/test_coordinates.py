"""The sampler's coordinates change how chains move, not what the priors are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.parameters import resolve_parameters
from steelyard.inference.coordinates import EDGE, Coordinates
from steelyard.inference.soft_interval import OpenRange, SoftInterval
from steelyard_schemas.priors import Fixed, Sine, Uniform


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def free(toy, toy_grid, toy_problem):
    """Parameters and coordinates of the toy with the stars free and uniform priors on all but the inclination."""
    wide = {
        "log10_mbh": Uniform(low=6, high=10),
        "log10_sigma_b": Uniform(low=0, high=6.5),
        "alpha": Uniform(low=0.5, high=4),
        "gamma": Uniform(low=0.1, high=1.1),
        "beta_minus_gamma": Uniform(low=0.4, high=2),
        "log10_r_b_pc": Uniform(low=1, high=3),
        "q": Uniform(low=0.4, high=0.9),
        "inclination_deg": Sine(low=5, high=89),
        **{name: Uniform(low=1, high=50) for name in ("sigma_gas_kms", "disc_scale_arcsec", "flux_jykms")},
        **{name: Fixed(value=0.0) for name in ("x0_arcsec", "y0_arcsec")},
    }
    galaxy = toy.model_copy(update={"priors": toy.priors.model_copy(update=wide)})
    model = GalaxyModel.of(galaxy, ModelGrid.of(toy_grid, galaxy.line.rest_frequency_hz))
    parameters = resolve_parameters(galaxy, toy_problem.estimates)
    return parameters, Coordinates.of(parameters.space, model, toy_problem.estimates, galaxy.distance.mpc)


def points(parameters, coordinates, n):
    scores = 0.3 * np.random.default_rng(2).standard_normal((n, len(parameters.names)))
    return [coordinates.from_scores(jnp.asarray(z)) for z in scores]


def test_the_log_prior_is_the_declared_one_times_the_jacobian(free):
    parameters, coordinates = free

    def declared(z):
        """Density of the galaxy file's priors at the parameters, by scipy, with the volume element of the map."""
        theta = np.asarray(coordinates.sampled(z))
        total = np.linalg.slogdet(np.asarray(jax.jacfwd(coordinates.sampled)(z)))[1]
        for value, prior in zip(theta, parameters.priors.values(), strict=True):
            if isinstance(prior, Sine):
                cosines = np.cos(np.radians([prior.low, prior.high]))
                total += np.log(np.sin(np.radians(value)) * np.pi / 180 / (cosines[0] - cosines[1]))
            else:
                total += stats.uniform(prior.low, prior.high - prior.low).logpdf(value)
        return total

    zs = points(parameters, coordinates, 5)
    found = np.array([float(coordinates.log_prior(z)) for z in zs])
    expected = np.array([declared(z) for z in zs])
    # Constant included: evidences count it. Slopes of the single-precision velocity enter the Jacobian off its
    # diagonal only.
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_beyond_the_bounds_of_mass_and_slope_the_density_falls_steadily(free):
    parameters, coordinates = free
    for name in ("log10_sigma_b", "gamma"):
        column, prior = parameters.names.index(name), parameters.priors[name]
        densities = []
        for far in (20.0, 30.0):
            z = np.zeros(len(parameters.names))
            z[column] = far
            assert prior.low <= float(coordinates.parameters(jnp.asarray(z))[name]) <= prior.high
            densities.append(float(coordinates.log_prior(jnp.asarray(z))))
        # An exponential of scale EDGE; gamma shifts the mass that the surface density implies, hence the tolerance.
        assert densities[0] - densities[1] == pytest.approx(10 / EDGE, rel=0.01)


def test_a_step_in_inclination_keeps_the_velocity_along_the_line_of_sight(free):
    """At the pivot, of the stars: that is what the gas shows."""
    parameters, coordinates = free
    (z,) = points(parameters, coordinates, 1)
    column = parameters.names.index("inclination_deg")
    projected = []
    for there in (z, z.at[column].add(-1.0)):
        values = coordinates.parameters(there)
        v = coordinates.model.circular_velocity(values, coordinates.pivot_arcsec, component="stars")
        projected.append(float(v * np.sin(np.radians(values["inclination_deg"]))))
    assert projected[1] == pytest.approx(projected[0], rel=1e-5)  # velocities are in single precision


@pytest.mark.parametrize("interval", [SoftInterval(0.001, 1.2, 0.05), SoftInterval(-3.0, -2.8, 0.05)])
def test_a_soft_interval_is_one_to_one_with_the_slope_it_says(interval):
    u = jnp.linspace(interval.low - 0.5, interval.high + 0.5, 41)
    value = interval.forward(u)
    assert np.all((value > interval.low) & (value < interval.high))
    inside = np.abs(np.asarray(u) - 0.5 * (interval.low + interval.high)) < 0.5 * (interval.high - interval.low)
    np.testing.assert_allclose(interval.inverse(value)[inside], u[inside], atol=1e-9)
    slope = jax.vmap(jax.grad(interval.forward))(u)
    np.testing.assert_allclose(interval.log_slope(u), np.log(slope), atol=1e-8)


def test_a_soft_interval_leaves_the_middle_and_an_open_range_alone():
    assert float(SoftInterval(0.0, 2.0, 0.05).forward(jnp.asarray(1.0))) == pytest.approx(1.0, abs=1e-9)
    free = OpenRange()
    assert float(free.forward(jnp.asarray(-3.0))) == -3.0
    assert float(free.log_slope(jnp.asarray(-3.0))) == 0.0


def test_without_that_parameter_coordinates_are_prior_scores(toy_problem):
    space, coordinates = toy_problem.parameters.space, toy_problem.coordinates
    (z,) = points(toy_problem.parameters, coordinates, 1)
    assert "log10_sigma_b" not in space.names
    np.testing.assert_allclose(coordinates.sampled(z), space.constrain_array(z), rtol=1e-12)
    assert float(coordinates.log_prior(z)) == pytest.approx(float(space.log_prior(z)), rel=1e-12)
