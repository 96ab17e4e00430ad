"""The approximate likelihood: what it keeps exactly, and how near it stays over the width of a posterior."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import Mode, find_mode
from steelyard.data.load import load_gridded
from steelyard.inference.approximation import N_NODES, Features, about_draws, about_mode, approximate_log_density
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard.inference.starts import starting_points
from steelyard_schemas import write_store


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def expanded(toy_problem):
    """Mode of the toy, the expansion there, and draws of the Gaussian at the mode."""
    with jax.enable_x64(True):
        problem = toy_problem
        cells = problem.cells
        starts = starting_points(problem.parameters, problem.coordinates, problem.estimates, 4, 0)
        mode = find_mode(log_density, starts, args=(problem.coordinates, cells), batch_size=4)
        features = Features.of(problem.coordinates)
        expansion = about_mode(features, cells, mode)
        draws = mode.position + np.random.default_rng(1).standard_normal((100, len(mode.position))) @ mode.factor.T
        return mode, features, expansion, jnp.asarray(draws), cells


@pytest.mark.slow
def test_it_follows_the_density_over_the_posterior(expanded):
    """To half a nat, while the density itself varies by more: jumps are then accepted two times in three or more."""
    _, features, expansion, draws, cells = expanded
    exact = jax.lax.map(lambda z: log_density(z, features.coordinates, cells), draws)
    near = jax.lax.map(lambda z: approximate_log_density(z, features, expansion), draws)
    assert np.std(exact) > 1
    assert np.std(exact - near) < 0.5


def test_from_draws_it_is_as_good_wherever_the_first_one_was_made(expanded):
    """The first expansion is made two widths off; draws of the posterior lead to one that follows the density."""
    mode, features, _, draws, cells = expanded
    off = mode.position + 2 * mode.factor[:, 0]
    exact = jax.lax.map(lambda z: log_density(z, features.coordinates, cells), draws)

    def error(expansion):
        return np.std(exact - jax.lax.map(lambda z: approximate_log_density(z, features, expansion), draws))

    first = about_mode(features, cells, dataclasses.replace(mode, position=off))
    second = about_draws(features, cells, np.asarray(draws), first)
    assert error(second) < 0.5
    assert error(second) < error(first)


@pytest.mark.slow
def test_its_gradient_at_the_mode_is_that_of_the_density(expanded):
    """But for what the straight lines between the nodes miss of the rotation curve: a fraction of a whitened unit."""
    mode, features, expansion, _, cells = expanded
    z = jnp.asarray(mode.position)
    exact = jax.grad(log_density)(z, features.coordinates, cells) @ mode.factor
    near = jax.grad(approximate_log_density)(z, features, expansion) @ mode.factor
    np.testing.assert_allclose(near, exact, atol=0.2)


def test_geometry_enters_exactly(toy_problem, expanded):
    """Features with another position angle and flux but the same rotation curve give the model's own visibilities."""
    mode, features, *_ = expanded
    origin = toy_problem.coordinates.parameters(jnp.asarray(mode.position))
    other = {**origin, "pa_deg": origin["pa_deg"] + 3.0, "flux_jykms": 1.1 * origin["flux_jykms"]}
    expected = toy_problem.model.cell_means(other)
    scale = float(jnp.max(jnp.abs(expected)))
    # Single precision: angles of a hundred degrees keep six digits.
    np.testing.assert_allclose(features.cell_means(features.at(other), origin), expected, atol=1e-4 * scale)


def test_the_rotation_curve_follows_its_nodes(toy_problem, expanded):
    """A heavier black hole by way of the nodes moves the visibilities nearly as the model itself does."""
    mode, features, *_ = expanded
    origin = toy_problem.coordinates.parameters(jnp.asarray(mode.position))
    other = {**origin, "log10_mbh": origin["log10_mbh"] + 0.05}
    before, after = (toy_problem.model.cell_means(p) for p in (origin, other))
    nodes = features.cell_means(features.at(other), origin)
    change = float(jnp.sqrt(jnp.mean(jnp.abs(after - before) ** 2)))
    # Linear interpolation of the change of velocity between sixteen nodes.
    assert float(jnp.sqrt(jnp.mean(jnp.abs(nodes - after) ** 2))) < 0.03 * change


def test_nearly_face_on_it_follows_mass_and_inclination_together(toy, observe_toy, tmp_path):
    """From 10 to 30 degrees at one M sin^2 i, v changes threefold; expanded in v and i, it is off by hundreds."""
    galaxy = toy.model_copy(update={"truth": toy.truth | {"inclination_deg": 18.0}})
    write_store(tmp_path / galaxy.data.path, observe_toy(galaxy, noise_jy=0.1))
    problem = prepare(galaxy, load_gridded(galaxy, tmp_path))
    names, coordinates, cells = problem.parameters.names, problem.coordinates, problem.cells

    def at(inclination_deg):
        sin_ratio = np.sin(np.radians(inclination_deg)) / np.sin(np.radians(18.0))
        log10_mbh = galaxy.truth["log10_mbh"] - 2 * np.log10(sin_ratio)
        there = galaxy.truth | {"inclination_deg": inclination_deg, "log10_mbh": log10_mbh}
        return coordinates.space.unconstrain({name: there[name] for name in names})

    ridge = [at(inclination_deg) for inclination_deg in (10.0, 13.0, 18.0, 24.0, 30.0)]
    features = Features.of(coordinates)
    mode = Mode(np.asarray(ridge[2]), 0.0, 0.05 * np.eye(len(names)), True, True, (), 0)
    expansion = about_mode(features, cells, mode)
    exact = np.array([log_density(z, coordinates, cells) for z in ridge])
    near = np.array([approximate_log_density(z, features, expansion) for z in ridge])
    error = (near - near[2]) - (exact - exact[2])
    assert np.abs(error).max() < 5


def test_the_curvature_cannot_be_negative(expanded):
    _, features, expansion, *_ = expanded
    values = np.linalg.eigvalsh(np.asarray(expansion.curvature))
    assert values.min() > -1e-9 * values.max()
    assert len(expansion.centre) == N_NODES + len(features.direct)
