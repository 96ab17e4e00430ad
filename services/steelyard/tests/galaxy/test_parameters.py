from dataclasses import replace

import jax
import numpy as np
import pytest
from steelyard.data.estimates import data_estimates
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.parameters import prior_range, resolve_parameters
from steelyard.inference.coordinates import Coordinates, sampled_parameters
from steelyard.inference.starts import starting_points
from steelyard_schemas import ContractError, Galaxy
from steelyard_schemas.galaxy import Priors
from steelyard_schemas.priors import Fixed, Normal, Sine, Uniform

FREE = {
    "kind": "galaxy",
    "schema_version": "1.3",
    "name": "Free",
    "distance": {"mpc": 16.0},
    "line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9},
    "data": {"path": "toy.zarr"},
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def estimates(toy, toy_grid):
    return data_estimates(toy_grid, toy.line.rest_frequency_hz)


@pytest.fixture
def starts(toy_grid, estimates):
    """Return a function that draws starting points of a galaxy."""

    def draw(chosen, n, seed):
        model = GalaxyModel.of(chosen, ModelGrid.of(toy_grid, chosen.line.rest_frequency_hz))
        parameters = resolve_parameters(chosen, estimates)
        coordinates = Coordinates.of(parameters.space, model, estimates, chosen.distance.mpc)
        points = starting_points(parameters, coordinates, estimates, n, seed)
        return parameters, points, sampled_parameters(coordinates, points)

    return draw


def galaxy(**changed):
    return Galaxy.model_validate(FREE | changed)


def test_a_free_nuker_galaxy_has_fifteen_parameters(estimates):
    parameters = resolve_parameters(galaxy(), estimates)
    assert parameters.names == (
        *("log10_mbh", "log10_sigma_b", "alpha", "gamma", "beta_minus_gamma", "log10_r_b_pc", "q"),
        *("inclination_deg", "pa_deg", "vsys_kms", "x0_arcsec", "y0_arcsec", "sigma_gas_kms"),
        *("disc_scale_arcsec", "flux_jykms"),
    )
    assert parameters.fixed == {"distance_mpc": 16.0}


def test_an_optical_expansion_takes_the_place_of_the_law(estimates):
    stars = {"kind": "mge", "surface_brightness_lsun_pc2": [1e3], "sigma_arcsec": [1.0], "q_obs": [0.9]}
    optical = galaxy(stars=stars, priors={"inclination_deg": {"kind": "sine", "low": 30, "high": 80}})
    names = resolve_parameters(optical, estimates).names
    assert "mass_to_light" in names
    assert "alpha" not in names


def test_the_file_overrides_the_defaults(estimates):
    given = galaxy(
        priors={"vsys_kms": {"kind": "normal", "mean": 1490, "sd": 5}, "q": {"kind": "fixed", "value": 0.5}}
    )
    parameters = resolve_parameters(given, estimates)
    assert parameters.priors["vsys_kms"] == Normal(mean=1490, sd=5)
    assert parameters.fixed["q"] == 0.5
    assert "q" not in parameters.names


def test_defaults_hold_the_truth_and_the_whole_circle(toy, estimates):
    defaults = resolve_parameters(galaxy(), estimates).priors
    assert defaults["pa_deg"].high - defaults["pa_deg"].low == 360
    for name in ("vsys_kms", "x0_arcsec", "y0_arcsec", "disc_scale_arcsec", "flux_jykms"):
        low, high = prior_range(defaults[name])
        assert low < toy.truth[name] < high


def test_an_uncertain_distance_is_sampled(estimates):
    parameters = resolve_parameters(galaxy(distance={"mpc": 16.0, "sd_mpc": 0.8}), estimates)
    prior = parameters.priors["distance_mpc"]
    assert (prior.mean, prior.sd) == (16.0, 0.8)
    assert prior.low > 0
    # The sampler's z is a standard normal a priori: one sigma up is one sigma up.
    z = np.zeros(len(parameters.names))
    z[parameters.names.index("distance_mpc")] = 1.0
    assert float(parameters.space.constrain(z)["distance_mpc"]) == pytest.approx(16.8, rel=1e-9)


def test_a_sine_prior_is_in_degrees(estimates):
    space = resolve_parameters(galaxy(), estimates).space
    middle = float(space.constrain(np.zeros(space.ndim))["inclination_deg"])
    # The median of a density sin i between 5 and 89 degrees.
    expected = np.degrees(np.arccos(0.5 * (np.cos(np.radians(5)) + np.cos(np.radians(89)))))
    assert middle == pytest.approx(expected, rel=1e-9)
    assert prior_range(Sine(low=5, high=89)) == (5, 89)


def test_nothing_to_sample(toy, estimates):
    fixed = {name: Fixed(value=toy.truth.get(name, 1.0)).model_dump() for name in Priors.model_fields}
    with pytest.raises(ContractError, match="every parameter is fixed"):
        resolve_parameters(galaxy(priors=fixed), estimates)


@pytest.mark.slow
def test_starts_lie_within_the_priors_and_near_the_data_estimates(estimates, starts):
    parameters, points, values = starts(galaxy(), 200, seed=7)
    assert points.shape == (200, 15)
    assert np.all(np.isfinite(points))
    for column, name in enumerate(parameters.names):
        low, high = prior_range(parameters.priors[name])
        inside = (values[:, column] > low) & (values[:, column] < high)
        # The surface density follows from the rotation and the drawn law; the search drops the few that leave.
        assert inside.mean() >= (0.95 if name == "log10_sigma_b" else 1.0), name
    at = dict(zip(parameters.names, np.median(values, axis=0), strict=True))
    assert at["pa_deg"] == pytest.approx(estimates.pa_deg, abs=3)
    assert at["vsys_kms"] == pytest.approx(estimates.vsys_kms, abs=10)


@pytest.mark.slow
def test_starts_are_those_of_their_seed(starts):
    points = starts(galaxy(), 20, seed=7)[1]
    np.testing.assert_array_equal(points, starts(galaxy(), 20, seed=7)[1])
    assert not np.array_equal(points, starts(galaxy(), 20, seed=8)[1])


@pytest.mark.slow
def test_starts_find_an_angle_one_turn_away(estimates, starts):
    turned = {"pa_deg": Uniform(low=estimates.pa_deg - 400, high=estimates.pa_deg - 320).model_dump()}
    parameters, _, values = starts(galaxy(priors=turned), 50, seed=1)
    pa = values[:, parameters.names.index("pa_deg")]
    assert np.median(pa) == pytest.approx(estimates.pa_deg - 360, abs=6)


def test_other_default_priors_are_another_fit(toy_problem):
    """Defaults come from the data by way of code; a fit begun under other defaults must not be taken up."""
    priors = {**toy_problem.parameters.priors, "vsys_kms": Uniform(low=1400, high=1600)}
    other = replace(toy_problem, parameters=toy_problem.parameters._replace(priors=priors))
    assert other.identity != toy_problem.identity
    assert replace(toy_problem).identity == toy_problem.identity
