"""Options of the galaxy file: each against its plain counterpart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import NfwHalo, VelocityGrid, primary_beam
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.parameters import resolve_parameters
from steelyard.inference.coordinates import Coordinates
from steelyard.inference.density import cell_data, log_density
from steelyard_schemas import Galaxy

NEW = {
    "log10_m200": 11.5,
    "log10_c200": 1.0,
    "sigma_gas_outer_kms": 6.0,
    "sigma_gas_scale_arcsec": 0.8,
    "pa_gradient_deg_per_arcsec": 4.0,
    "inclination_gradient_deg_per_arcsec": -3.0,
}
EVERYTHING = {
    "mass": [{"kind": "nfw"}],
    "disc": {
        "profile": "table",
        "table": {"radius_arcsec": [0.0, 0.4, 1.0, 2.0], "surface_brightness": [1.0, 0.7, 0.2, 0.0]},
        "dispersion": "exponential",
        "warp": {"reference_arcsec": 0.5, "outer_arcsec": 2.0},
    },
    "data": {"path": "toy.zarr", "spectral_response": "hanning", "primary_beam": "airy"},
}


@pytest.fixture
def truth(toy):
    return {**toy.truth, **NEW, "distance_mpc": toy.distance.mpc}


@pytest.fixture
def galaxy_of(toy):
    """Return a function that changes tables of the toy's galaxy file."""
    return lambda **tables: Galaxy.model_validate({**toy.model_dump(), **tables})


@pytest.fixture
def model_of(galaxy_of, toy_grid):
    """Return a function from changed tables of the galaxy file to a model on the toy's grid."""

    def model(**tables):
        galaxy = galaxy_of(**tables)
        return GalaxyModel.of(galaxy, ModelGrid.of(toy_grid, galaxy.line.rest_frequency_hz, galaxy.data.primary_beam))

    return model


def cube(model, params):
    return np.asarray(jax.jit(model.cube)(params))


def test_the_halo_adds_its_square(model_of, truth):
    radius = jnp.asarray([0.05, 0.5, 2.0])
    with_halo, without = (model_of(**tables) for tables in ({"mass": [{"kind": "nfw"}]}, {}))
    halo = with_halo.circular_velocity(truth, radius, component="nfw")
    # 10 Mpc: 48.48137 pc per arcsec; the band's middle, 1500 km/s, is z = 0.005029.
    halo_there = NfwHalo(10**11.5, 10.0, 0.005029)
    np.testing.assert_allclose(halo**2, halo_there.velocity_squared(radius * 48.48137), rtol=1e-4)
    total, plain = (model.circular_velocity(truth, radius) for model in (with_halo, without))
    np.testing.assert_allclose(total**2, plain**2 + halo**2, rtol=1e-5)
    assert not np.any(without.circular_velocity(truth, radius, component="nfw"))


@pytest.mark.slow
def test_a_table_of_an_exponential_is_the_exponential_disc(model_of, truth):
    radius = np.append(np.linspace(0, 7, 60), 7.2)
    table = {"radius_arcsec": radius.tolist(), "surface_brightness": [*np.exp(-radius[:-1] / 0.6).tolist(), 0.0]}
    tabulated, plain = cube(model_of(disc={"profile": "table", "table": table}), truth), cube(model_of(), truth)
    # Cubics over a fifth of a scale length.
    np.testing.assert_allclose(tabulated, plain, atol=1e-3 * plain.max())


@pytest.mark.slow
def test_laws_that_do_not_vary_change_nothing(model_of, truth):
    plain = cube(model_of(), truth)
    same = {**truth, "sigma_gas_outer_kms": truth["sigma_gas_kms"]}
    flat = {**truth, "pa_gradient_deg_per_arcsec": 0.0, "inclination_gradient_deg_per_arcsec": 0.0}
    for disc, params in (
        ({"dispersion": "exponential"}, same),
        ({"warp": {"reference_arcsec": 0.5, "outer_arcsec": 2.0}}, flat),
    ):
        got = cube(model_of(disc=disc), params)
        # Single precision; rings are found by another way.
        np.testing.assert_allclose(got, plain, atol=2e-5 * plain.max())
        assert np.abs(cube(model_of(disc=disc), truth) - plain).max() > 0.01 * plain.max()


@pytest.mark.slow
def test_hanning_smooths_the_channels(model_of, truth):
    smooth, plain = (
        cube(model_of(data={"path": "toy.zarr", "spectral_response": r}), truth) for r in ("hanning", "top_hat")
    )
    assert smooth.shape == plain.shape
    expected = 0.25 * (plain[:-2] + plain[2:]) + 0.5 * plain[1:-1]
    np.testing.assert_allclose(smooth[1:-1], expected, atol=1e-6 * plain.max())
    # The edge channels know what lies beyond them: the model has one more on either side. A band cut down to where
    # the line is bright shows it.
    inner = slice(4, -4)
    cut = model_of(data={"path": "toy.zarr", "spectral_response": "hanning"})
    whole = cut.grid.channels
    part = VelocityGrid(whole.centres_kms[inner][0], whole.width_kms, len(whole.centres_kms[inner]))
    cut = dataclasses.replace(cut, grid=dataclasses.replace(cut.grid, channels=part))
    np.testing.assert_allclose(cube(cut, truth), smooth[inner], atol=1e-6 * plain.max())
    beyond = plain[[3, -4]].sum(axis=(1, 2))
    assert beyond.min() > 0.1 * plain.sum(axis=(1, 2)).max()


def test_the_choice_of_beam(model_of, toy_grid):
    gaussian, airy, none = (
        model_of(data={"path": "toy.zarr", "primary_beam": beam}).grid for beam in ("gaussian", "airy", "none")
    )
    frequency = float(np.mean(toy_grid["frequency_hz"]))
    for grid, pattern in ((gaussian, "gaussian"), (airy, "airy")):
        beam = primary_beam(grid.sky, 12.0, frequency, pattern)
        np.testing.assert_allclose(grid.attenuation / none.attenuation, beam, rtol=1e-6)


@pytest.mark.slow
def test_the_density_of_everything_has_a_gradient(galaxy_of, model_of, toy_grid, toy_problem, truth):
    galaxy, model = galaxy_of(**EVERYTHING), model_of(**EVERYTHING)
    with jax.enable_x64(True):
        parameters = resolve_parameters(galaxy, toy_problem.estimates)
        assert set(NEW) <= set(parameters.names)
        coordinates = Coordinates.of(parameters.space, model, toy_problem.estimates, galaxy.distance.mpc)
        cells = cell_data(toy_grid, model.uv_cells)
        density = jax.jit(jax.value_and_grad(log_density))
        z = parameters.space.unconstrain({name: truth[name] for name in parameters.names})
        value, gradient = (np.asarray(a) for a in density(z, coordinates, cells))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    slopes = dict(zip(parameters.names, gradient, strict=True))
    assert all(slopes[name] != 0 for name in NEW)


@pytest.mark.slow
@pytest.mark.parametrize("tables", [{}, EVERYTHING], ids=["toy", "everything"])
def test_a_few_channels_at_a_time_are_the_same_density(
    tables, galaxy_of, model_of, toy_grid, toy_problem, truth, monkeypatch
):
    monkeypatch.setattr("steelyard.galaxy.grid.BLOCK_BYTES", 1)
    with jax.enable_x64(True):
        galaxy, whole = galaxy_of(**tables), model_of(**tables)
        blocks = whole.in_blocks()
        assert (whole.grid.channels_at_once, blocks.grid.channels_at_once) == (None, 2)
        expected = np.asarray(whole.cell_means(truth))
        # Single precision.
        np.testing.assert_allclose(blocks.cell_means(truth), expected, atol=2e-6 * abs(expected).max())
        parameters = resolve_parameters(galaxy, toy_problem.estimates)
        coordinates = Coordinates.of(parameters.space, whole, toy_problem.estimates, galaxy.distance.mpc)
        arguments = coordinates, cell_data(toy_grid, whole.uv_cells)
        z = jnp.asarray(parameters.space.unconstrain({name: truth[name] for name in parameters.names}))
        alone, single_core = (
            [np.asarray(part) for part in jax.value_and_grad(form)(z, *arguments)]
            for form in (log_density, log_density.single_core)
        )
    np.testing.assert_allclose(single_core[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(single_core[1], alone[1], rtol=1e-3, atol=1e-3 * abs(alone[1]).max())


def test_what_fits_the_caches_is_one_block(toy_problem):
    assert toy_problem.model.in_blocks().grid.channels_at_once is None


@pytest.mark.slow
def test_a_simulation_of_everything(observe_toy, toy, truth):
    tables = {**EVERYTHING, "data": {**EVERYTHING["data"], "grid": toy.data.grid.model_dump()}, "truth": truth}
    data = observe_toy(Galaxy.model_validate({**toy.model_dump(), **tables}), hours=0.2)
    assert np.isfinite(data["vis"]).all()
