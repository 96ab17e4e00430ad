"""Subcells are as fine as a galaxy needs, the posterior tells how exact that is, and what follows uses the same."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import steelyard.comparison.evidence
import steelyard.galaxy.accuracy
from kinematics import Level
from sampler import Evidence, find_mode, load_checkpoint
from steelyard import fit
from steelyard.fitting.folder import RunFolder
from steelyard.galaxy.accuracy import LEVELS, WANTED, WANTED_SIGMA, choose_subcells
from steelyard.inference.density import log_density
from steelyard.inference.mode_search import shift_at_mode, subcell_warnings
from steelyard.inference.problem import prepare
from steelyard.report.products import Products
from steelyard_schemas import GriddedVisibilities, Posterior, read_model, read_store
from steelyard_schemas.galaxy import Galaxy

CONVERGED = (Level(None, 4), Level(28, 24), Level(5, 120))
"""So many subcells that a fourth of them changes nothing that counts here."""


@pytest.fixture
def truth(toy):
    return {**toy.truth, "distance_mpc": toy.distance.mpc}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, "standard"), ({"inclination_deg": 86.0, "sigma_gas_kms": 4.0}, "fine")],
    ids=["inclined", "edge-on"],
)
def test_the_error_that_is_told_is_the_error(changed, expected, toy_problem, truth):
    model, params = toy_problem.model, truth | changed

    def visibilities(levels):
        return np.asarray(jax.jit(model.with_levels(levels).cell_means)(params))

    chosen = choose_subcells(model, params)
    assert chosen.subcells == expected
    converged = visibilities(CONVERGED)
    peak = abs(converged).max()
    error, standard = (abs(visibilities(LEVELS[name]) - converged).max() / peak for name in (expected, "standard"))
    # Of an error that falls to a sixteenth the change tells 15/16; finer subcells and single precision leave 3e-5.
    assert chosen.visibility_error == pytest.approx(error, rel=0.3, abs=4e-5)
    assert error <= WANTED
    assert (standard > WANTED) == (expected == "fine")


@pytest.mark.slow
def test_a_shift_of_parameters_asks_for_fine_subcells_too(toy_problem, truth):
    changes = []

    def shift_by(change):
        changes.append(abs(change).max())
        return 1.5 * WANTED_SIGMA if len(changes) == 1 else 0.5 * WANTED_SIGMA

    chosen = choose_subcells(toy_problem.model, truth, shift_by)
    assert (chosen.subcells, chosen.shift_sigma) == ("fine", 0.5 * WANTED_SIGMA)
    assert chosen.enough
    assert not chosen._replace(shift_sigma=1.5 * WANTED_SIGMA).enough
    # Of the error of standard subcells first, then of fine ones.
    assert 0 < changes[1] < 0.5 * changes[0]


@pytest.mark.slow
def test_a_fit_with_fine_subcells_goes_on_and_is_shown_with_them(toy_file, tmp_path, monkeypatch):
    monkeypatch.setattr(steelyard.galaxy.accuracy, "WANTED", 0.0)
    toy = read_model(toy_file, Galaxy)
    notes = []

    def run(max_steps):
        galaxy = toy.model_copy(update={"sampler": toy.sampler.model_copy(update={"max_steps": max_steps})})
        return fit(galaxy, tmp_path / "fit", base=toy_file.parent, note=notes.append)

    run(100)
    assert any("fine subcells" in line for line in notes)
    posterior = run(120)
    assert any("resuming" in line for line in notes)
    quality = posterior.manifest.quality
    assert quality.subcells == "fine"
    assert 0 < quality.shift_sigma < 1
    assert 0 < quality.visibility_error < WANTED

    data = read_store(tmp_path / "fit" / "gridded.zarr", GriddedVisibilities)
    products = Products(read_store(tmp_path / "fit" / "posterior.zarr", Posterior), data)
    assert products.model.grid.levels == LEVELS["fine"]
    asked = []

    def evidence(_density, _draws, _values, *, args, **_options):
        asked.append(args[0].model.grid.levels)
        return Evidence(0.0, 0.1, 1.0, 100)

    monkeypatch.setattr(steelyard.comparison.evidence, "log_evidence", evidence)
    steelyard.comparison.evidence._evidence(RunFolder(tmp_path / "fit"), posterior.manifest, 100, None)
    assert asked == [LEVELS["fine"]]

    state = load_checkpoint(tmp_path / "fit" / "checkpoint.npz").state
    with jax.enable_x64(True):
        problem = prepare(toy, data)

        def departure(problem):
            """Scatter about the chains' log-densities of those at the same draws, in each of both runs."""
            at = jax.jit(lambda z: jax.lax.map(lambda z: log_density(z, problem.coordinates, problem.cells), z))
            return np.std(np.asarray(at(jnp.asarray(state.draws[:, 0]))) - state.draw_log_density[:, 0])

        # Programs that differ round differently: the sum over cells in double precision is of single ones.
        assert departure(problem.with_subcells("fine")) < 0.1 * departure(problem)


@pytest.mark.slow
def test_the_shift_that_is_told_is_that_of_the_finer_models_gradient(toy, toy_grid):
    with jax.enable_x64(True):
        problem = prepare(toy, toy_grid)
        start = problem.parameters.space.unconstrain({name: toy.truth[name] for name in problem.parameters.names})
        arguments = (problem.coordinates, problem.cells)
        mode = find_mode(log_density, np.asarray(start)[None], args=arguments, n_steps=20, learning_rate=0.01)
        # Coarse enough that errors stand out of rounding.
        coarse = problem.coordinates.with_model(problem.model.with_levels((Level(None, 1), Level(10, 2))))
        coarse_problem = replace(problem, coordinates=coarse)
        params = problem.coordinates.parameters(jnp.asarray(mode.position))
        fine, rough = (np.asarray(model.cell_means(params)) for model in (problem.model, coarse.model))
        told = shift_at_mode(coarse_problem, mode)(fine - rough)
        of_both = [
            jax.grad(log_density)(jnp.asarray(mode.position), coordinates, problem.cells)
            for coordinates in (problem.coordinates, coarse)
        ]
        step = np.linalg.norm(mode.factor.T @ np.asarray(of_both[0] - of_both[1]))
    assert step > 0.1
    # Less what the change's own slope pulls on the residuals of noise.
    assert told == pytest.approx(step, rel=0.25)


def test_visibilities_that_even_fine_subcells_do_not_hold_are_told(toy_problem, truth):
    chosen = choose_subcells(toy_problem.model, truth | {"inclination_deg": 89.3, "sigma_gas_kms": 1.0})
    assert chosen.subcells == "fine"
    assert chosen.visibility_error > WANTED
    (warning,) = subcell_warnings(chosen)
    assert f"accurate only to {chosen.visibility_error:.1e} of their peak:" in warning
    (warning,) = subcell_warnings(chosen._replace(visibility_error=5e-4, shift_sigma=0.4))
    assert "of their peak, which may move parameters by 0.4 sigma" in warning
    assert subcell_warnings(choose_subcells(toy_problem.model, truth)) == ()
