"""The joined model: gradients, precision, conventions. Its parts have their own tests in `kinematics`."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from kinematics import BAND_LIMITED, sample_visibilities
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_on_half_plane
from steelyard.galaxy.stars import optical_mge, optical_stars
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard_schemas import Store
from steelyard_schemas.ingredients import MgeStars
from vis_gridder import GridSpec, grid
from vis_gridder.gridding.kernel import kernel_second_moment

LARGE = 10_000


@pytest.fixture
def truth(toy):
    return {**toy.truth, "distance_mpc": toy.distance.mpc}


def arrays_in(jaxpr):
    """Yield the abstract value of everything that a jaxpr and the jaxprs inside it compute."""
    for equation in jaxpr.eqns:
        yield from (v.aval for v in equation.outvars)
        for inner in jaxprs_in_params(equation.params):
            yield from arrays_in(inner)


@pytest.fixture(scope="module")
def double_problem(toy, toy_grid):
    """The toy, all of it in double precision."""
    with jax.enable_x64(True):
        return prepare(toy, toy_grid, jnp.float64)


@pytest.mark.parametrize(
    ("problem", "others"),
    [("toy_problem", {"float64", "complex128"}), ("double_problem", {"float32", "complex64"})],
    ids=["single", "double"],
)
def test_the_model_has_one_precision_inside_and_parameters_are_double(problem, others, truth, request):
    model = request.getfixturevalue(problem).model

    def power(params):
        return jnp.sum(jnp.abs(model.cell_means(params)) ** 2)

    with jax.enable_x64(True):
        params = {name: jnp.asarray(value, jnp.float64) for name, value in truth.items()}
        jaxpr = jax.make_jaxpr(jax.value_and_grad(power))(params).jaxpr
    seen = [aval for aval in arrays_in(jaxpr) if hasattr(aval, "dtype")]
    large = [aval for aval in seen if np.prod(aval.shape) > LARGE]
    assert large, "the cube is among them"
    assert not {(aval.dtype.name, aval.shape) for aval in large if aval.dtype.name in others}


@pytest.mark.parametrize(
    ("problem", "step", "tolerance"),
    [
        # Truncation of a steep log-density and its single-precision noise leave a percent.
        ("toy_problem", 2e-3, 1e-2),
        # Truncation alone.
        ("double_problem", 1e-5, 1e-6),
    ],
    ids=["single", "double"],
)
def test_gradient_is_that_of_central_differences(problem, step, tolerance, toy, request):
    problem = request.getfixturevalue(problem)
    with jax.enable_x64(True):
        density, coordinates, cells = jax.jit(log_density), problem.coordinates, problem.cells
        # A little off the mode, so that the slope stands out of the noise of the density.
        z = problem.parameters.space.unconstrain({n: toy.truth[n] for n in problem.parameters.names}) + 0.02
        gradient = np.asarray(jax.jit(jax.grad(log_density))(z, coordinates, cells))
        slopes = [
            float(density(z + step * e, coordinates, cells) - density(z - step * e, coordinates, cells)) / (2 * step)
            for e in np.eye(len(z))
        ]
    np.testing.assert_allclose(gradient, slopes, rtol=2 * tolerance, atol=tolerance * np.abs(slopes).max())


def test_the_receding_half_lies_at_the_position_angle(toy_problem, truth):
    cube = np.asarray(jax.jit(toy_problem.model.cube)(truth))
    sky = toy_problem.model.grid.sky
    x = sky.centres_arcsec
    # Channels ascend in frequency: the first are the receding ones.
    early, late = cube[:4].sum(axis=0), cube[-4:].sum(axis=0)
    offset = np.array([(m * x[None, :]).sum() / m.sum() for m in (early, late)])
    north = np.array([(m * x[:, None]).sum() / m.sum() for m in (early, late)])
    angle = np.degrees(np.arctan2(offset[0] - offset[1], north[0] - north[1])) % 360
    # Symmetric but for pixels and the beam about a centre 0.1 arcsec off: a degree.
    assert angle == pytest.approx(130.0, abs=2.0)


def test_circular_velocities_add_in_squares(toy_problem, truth):
    radius = jnp.asarray([0.05, 0.5, 2.0])
    v = {c: np.asarray(toy_problem.model.circular_velocity(truth, radius, component=c)) for c in PARTS}
    np.testing.assert_allclose(v["total"] ** 2, v["stars"] ** 2 + v["black_hole"] ** 2, rtol=1e-5)
    # G = 4.30091e-3 pc (km/s)^2 / Msun; 10 Mpc: 48.4814 pc per arcsec.
    kepler = np.sqrt(4.30091e-3 * 10**8.9 / (np.asarray(radius) * 48.48137))
    np.testing.assert_allclose(v["black_hole"], kepler, rtol=1e-5)


PARTS = ("total", "stars", "black_hole")


@pytest.mark.parametrize("innermost", ["keep", "remove"])
def test_optical_stars(innermost):
    stars = MgeStars(
        surface_brightness_lsun_pc2=(10.0, 3000.0, 200.0),
        sigma_arcsec=(6.0, 0.05, 1.0),
        q_obs=(0.8, 0.95, 0.9),
        innermost=innermost,
    )
    mge = optical_mge(optical_stars(stars), {"inclination_deg": 60.0, "distance_mpc": 10.0, "mass_to_light": 2.0})
    kept = [0.05, 1.0, 6.0] if innermost == "keep" else [1.0, 6.0]
    np.testing.assert_allclose(mge.sigma_pc, 48.48137 * np.array(kept), rtol=1e-6)
    np.testing.assert_allclose(mge.surface_density_msun_pc2, [6000.0, 400.0, 20.0][-len(kept) :], rtol=1e-6)
    # q^2 = (q_obs^2 - cos^2 i) / sin^2 i (Cappellari 2002, eq. 12).
    q = np.sqrt((np.array([0.95, 0.9, 0.8]) ** 2 - 0.25) / 0.75)
    np.testing.assert_allclose(mge.q, q[-len(kept) :], rtol=1e-5)


def test_the_primary_beam_is_in_the_model_if_the_dish_is_known(toy, toy_grid):
    rest = toy.line.rest_frequency_hz
    with_dish = ModelGrid.of(toy_grid, rest).attenuation
    manifest = toy_grid.manifest
    no_dish = manifest.model_copy(
        update={"observation": manifest.observation.model_copy(update={"dish_diameter_m": None})}
    )
    without = ModelGrid.of(dataclasses.replace(toy_grid, manifest=no_dish), rest).attenuation
    ratio = with_dish / without
    npix = len(ratio)
    assert ratio[npix // 2, npix // 2] == pytest.approx(1.0)
    # FWHM 1.13 lambda / D at 229.4 GHz: 25.4 arcsec; the middle of an edge is 3 arcsec out.
    assert ratio[npix // 2, 0] == pytest.approx(np.exp(-4 * np.log(2) * (3 / 25.4) ** 2), rel=1e-3)


def test_the_model_is_the_one_of_the_galaxy_file(toy, toy_grid):
    model = GalaxyModel.of(toy, ModelGrid.of(toy_grid, toy.line.rest_frequency_hz))
    assert model.surrogate is not None
    assert model.grid.sky.npix >= 4 / 3 * 24
    assert model.grid.field_arcsec == pytest.approx(6.0)


def with_moments(gridded, **moments):
    """Say where in their cell all samples lie: the moments of every cell that holds data."""
    mask = gridded["mask"]
    arrays = {name: np.where(mask, np.float32(value), 0).astype(np.float16) for name, value in moments.items()}
    manifest = gridded.manifest.model_copy(update={"cell_moments": True})
    return Store(manifest, {**gridded.arrays, **arrays})


def without_moments(gridded):
    return Store(gridded.manifest.model_copy(update={"cell_moments": False}), gridded.arrays)


def model_on(gridded, toy):
    return GalaxyModel.of(toy, ModelGrid.of(gridded, toy.line.rest_frequency_hz))


def test_data_without_moments_have_no_response(toy, toy_grid, truth):
    model = model_on(without_moments(toy_grid), toy)
    assert len(model.uv_cells.coefficients) == 1
    moment = kernel_second_moment(toy_grid.manifest.kernel)
    evenly = with_moments(toy_grid, offset_u=0, offset_v=0, spread_uu=moment, spread_uv=0, spread_vv=moment)
    plain = np.asarray(jax.jit(model.cell_means)(truth))
    # Cells filled evenly are what the taper stands for, to the rounding of moments to half precision, 3e-5 of 0.07.
    got = np.asarray(jax.jit(model_on(evenly, toy).cell_means)(truth))
    np.testing.assert_allclose(got, plain, atol=1e-4 * abs(plain).max())


@pytest.mark.slow
def test_samples_away_from_the_centres_of_cells(toy, toy_grid, truth, monkeypatch):
    du, dv = 0.3, -0.2
    moment = kernel_second_moment(toy_grid.manifest.kernel)
    # Samples about a point of each cell, as wide as the kernel: the taper's cell, moved.
    moved = with_moments(
        toy_grid, offset_u=du, offset_v=dv, spread_uu=moment + du**2, spread_uv=du * dv, spread_vv=moment + dv**2
    )
    model = model_on(moved, toy)
    monkeypatch.setattr("steelyard.galaxy.grid.REFINEMENT", 4.0)  # an image that damps nothing near these baselines
    fine = model_on(without_moments(toy_grid), toy)
    mask, sky = toy_grid["mask"].any(axis=0), fine.grid.sky
    cell = toy_grid["u_wavelengths"][1]
    v, u = np.meshgrid(toy_grid["v_wavelengths"] + dv * cell, toy_grid["u_wavelengths"] + du * cell, indexing="ij")
    cube = np.asarray(jax.jit(partial(fine.cube, pixel=BAND_LIMITED))(truth))
    places = (np.repeat(x[mask][:, None], len(cube), axis=1) for x in (u, v))
    expected = sample_visibilities(cube, sky, *places, pixel=BAND_LIMITED).T
    got = predicted_on_half_plane(model, truth)
    plain = predicted_on_half_plane(model_on(without_moments(toy_grid), toy), truth)
    filled = toy_grid["mask"][:, mask]
    error, before = (abs(x[:, mask] - expected)[filled] for x in (got, plain))
    # Most light lies within a fifth of the field, where first derivatives are good to 8 %; measured 0.06.
    assert np.sqrt(np.mean(error**2)) < 0.08 * np.sqrt(np.mean(before**2))
    assert error.max() < 0.1 * before.max()


def test_gridded_means_of_a_noiseless_observation(toy, toy_grid, observe_toy, truth):
    quiet = grid(observe_toy(toy, noise_jy=1e-6), GridSpec(**toy.data.grid.model_dump(exclude_none=True)))
    mask, sigma = quiet["mask"], np.sqrt(toy_grid["variance"])
    assert np.array_equal(mask, toy_grid["mask"])

    def worst(gridded):
        model = predicted_on_half_plane(model_on(gridded, toy), truth)
        return float(np.max(abs(model - quiet["mean"])[mask] / sigma[mask]))

    # The toy is bright, and its field ten times its scale: 3.3 sigma in the worst cell, 0.28 with the response.
    assert worst(without_moments(quiet)) > 2
    assert worst(quiet) < 0.3
