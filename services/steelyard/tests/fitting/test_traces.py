"""Compiled code is shared by galaxies of the same shapes: other data, priors, distance and frequency."""

import dataclasses

import jax
import numpy as np
import pytest
from sampler import Monitor, find_mode
from steelyard.galaxy.model import GalaxyModel
from steelyard.inference.approximation import Features, about_mode, approximate_log_density
from steelyard.inference.coordinates import sampled_at
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard.inference.starts import starting_points
from steelyard_schemas import Galaxy, Store

N_GALAXIES = 10


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def traces(monkeypatch):
    """List that grows by one each time that the model is traced."""
    seen, cell_means = [], GalaxyModel.cell_means

    def counted(self, params, *table):
        seen.append(params)
        return cell_means(self, params, *table)

    monkeypatch.setattr(GalaxyModel, "cell_means", counted)
    jax.clear_caches()
    return seen


def another(toy, toy_grid, k):
    """Return the toy, further away, at another frequency, with other priors and data, some lost: another problem."""
    tables = toy.model_dump()
    tables["name"] = f"Toy {k}"
    tables["distance"]["mpc"] = 10.0 + k
    tables["line"]["rest_frequency_hz"] *= 1 + 1e-5 * k
    tables["priors"]["log10_mbh"]["low"] = 6.0 - 0.1 * k
    tables["priors"]["sigma_gas_kms"]["value"] = 15.0 + k
    lost = np.random.default_rng(k).random(toy_grid["mask"].shape) < 0.02
    changed = {"mean": toy_grid["mean"] * (1 + 0.05 * k), "mask": toy_grid["mask"] & ~lost}
    return prepare(Galaxy.model_validate(tables), Store(toy_grid.manifest, dict(toy_grid.arrays) | changed))


@pytest.mark.slow
def test_ten_galaxies_are_traced_as_often_as_one(toy, toy_grid, traces):
    """Search, expansion, approximation and monitor, each counted by what it alone calls."""
    counts, values, others = [], [], []

    def approximate(*arguments):
        others.append("approximation")
        return approximate_log_density(*arguments)

    def quantities(*arguments):
        others.append("monitor")
        return sampled_at(*arguments)

    approximate_shared = jax.jit(approximate)
    for k in range(N_GALAXIES):
        problem = another(toy, toy_grid, k)
        points = starting_points(problem.parameters, problem.coordinates, problem.estimates, 4, 0)
        mode = find_mode(log_density, points, args=(problem.coordinates, problem.cells), n_steps=4, batch_size=4)
        features = Features.of(problem.coordinates)
        expansion = about_mode(features, problem.cells, mode)
        values.append(float(approximate_shared(mode.position, features, expansion)))
        Monitor(quantities, (problem.coordinates,)).of(points[:, None])
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts[-1] == counts[0]
    assert sorted(others) == ["approximation", "monitor"]
    # And each has an answer of its own.
    assert len(set(values)) == N_GALAXIES


@pytest.mark.slow
def test_what_is_shared_has_no_numbers_of_its_own(toy, toy_grid):
    """Compiled for one galaxy and called with another, the density is that of the other computed afresh."""
    first, second = another(toy, toy_grid, 0), another(toy, toy_grid, 3)
    points = starting_points(second.parameters, second.coordinates, second.estimates, 1, 1)
    shared = jax.jit(log_density)
    shared(points[0], first.coordinates, first.cells)
    again = float(shared(points[0], second.coordinates, second.cells))
    assert shared._cache_size() == 1
    alone = float(jax.jit(lambda z: log_density(z, second.coordinates, second.cells))(points[0]))
    # Constants are folded in double precision, arguments are not: single precision of a sum over thousands of cells.
    assert again == pytest.approx(alone, rel=1e-6)


def test_another_option_is_another_program(toy, toy_grid):
    other = toy.model_copy(update={"likelihood": toy.likelihood.model_copy(update={"kind": "gaussian"})})
    galaxies = (another(toy, toy_grid, 0).galaxy, toy, other)
    structures = {jax.tree.structure(prepare(galaxy, toy_grid).coordinates) for galaxy in galaxies}
    assert len(structures) == 2


@pytest.mark.slow
def test_a_galaxy_model_passes_through_a_pytree_unchanged(toy, toy_problem):
    truth = {**toy.truth, "distance_mpc": toy.distance.mpc}
    leaves, structure = jax.tree.flatten(toy_problem.model)
    again = jax.tree.unflatten(structure, leaves)
    assert dataclasses.asdict(again.grid.channels) == dataclasses.asdict(toy_problem.model.grid.channels)
    np.testing.assert_array_equal(again.cell_means(truth), toy_problem.model.cell_means(truth))
