"""Stars that may depart from their law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.parameters import resolve_parameters
from steelyard_schemas import ContractError, Galaxy, parse
from steelyard_schemas.ingredients import Flexibility

SHIFTS = tuple(parameter.name for parameter in Flexibility.parameters)


@pytest.fixture(scope="module")
def flexible(toy):
    return toy.model_copy(update={"stars": toy.stars.model_copy(update={"flexibility": Flexibility()})})


@pytest.fixture
def params(toy):
    return {**toy.truth, "distance_mpc": toy.distance.mpc}


def test_the_galaxy_has_eight_more_parameters(toy, flexible, toy_problem):
    parameters = resolve_parameters(flexible, toy_problem.estimates)
    assert set(parameters.names) - set(resolve_parameters(toy, toy_problem.estimates).names) == set(SHIFTS)
    assert flexible.stars.summary == "Nuker, flexible"


def test_without_a_shift_the_stars_follow_their_law(toy, flexible, toy_problem, params):
    grid, none = toy_problem.model.grid, dict.fromkeys(SHIFTS, 0.0)
    law, same = (GalaxyModel.of(galaxy, grid).mge({**params, **none}) for galaxy in (toy, flexible))
    np.testing.assert_array_equal(same.surface_density_msun_pc2, law.surface_density_msun_pc2)


@pytest.mark.parametrize("kind", ["nuker", "mge"])
def test_a_shift_multiplies_the_gaussians_near_a_knot(kind, toy, toy_problem, params):
    """The kriging of one value at a knot, by hand: exp(A) there, and the law far from all knots."""
    stars = {"kind": kind, "flexibility": {"amplitude": 0.2, "length_dex": 0.4}}
    pc_per_arcsec = toy.distance.mpc * 1e6 * np.pi / 648000
    knot_pc, far_pc = 3.0, 1e6
    if kind == "mge":
        stars |= {
            "surface_brightness_lsun_pc2": [100.0, 100.0],
            "sigma_arcsec": [knot_pc / pc_per_arcsec, far_pc / pc_per_arcsec],
            "q_obs": [1.0, 1.0],
        }
    galaxy = Galaxy.model_validate({**toy.model_dump(), "stars": stars, "truth": {}})
    model = GalaxyModel.of(galaxy, toy_problem.model.grid)
    params = {**params, "mass_to_light": 1.0, **dict.fromkeys(SHIFTS, 0.0)}
    with jax.enable_x64(True):
        law = model.mge(params)
        found = model.mge({**params, "stars_shift_1": 1.0})
        ratio = np.asarray(found.surface_density_msun_pc2) / np.asarray(law.surface_density_msun_pc2)
        sigma = np.broadcast_to(np.asarray(law.sigma_pc), ratio.shape)
    nearest = np.argmin(np.abs(np.log(sigma / knot_pc)))
    off_dex = np.log10(sigma[nearest] / knot_pc)
    assert np.log(ratio[nearest]) == pytest.approx(0.2, abs=0.2 * abs(off_dex) / 0.4 + 1e-5)
    assert ratio[np.argmax(sigma)] == pytest.approx(1.0, abs=1e-3)


def test_the_gas_feels_them_through_the_rotation_curve(flexible, toy_problem, params):
    model = GalaxyModel.of(flexible, toy_problem.model.grid)

    def speed(scores):
        return model.circular_velocity({**params, **dict(zip(SHIFTS, scores, strict=True))}, 1.0, component="stars")

    with jax.enable_x64(True):
        scores, step = 0.1 * jnp.arange(8.0), 1e-4
        slope = jax.grad(speed)(scores)
        steps = step * np.eye(8)
        differences = [(speed(scores + one) - speed(scores - one)) / (2 * step) for one in steps]
        # Velocities of single precision are exact to 1e-5 of themselves.
        np.testing.assert_allclose(slope, differences, atol=0.02 * np.abs(slope).max())


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"min_radius_pc": 600.0}, "must be below max_radius_pc"),
        ({"amplitude": 0.0}, "stars.nuker.flexibility.amplitude"),
        ({"length_dex": 0.05}, "stars.nuker.flexibility.length_dex"),
    ],
)
def test_impossible_processes_are_refused(entries, words, toy):
    said = {**toy.model_dump(mode="json", exclude_none=True), "stars": {"kind": "nuker", "flexibility": entries}}
    with pytest.raises(ContractError) as refused:
        parse(said, where="toy.toml")
    assert words in str(refused.value)
