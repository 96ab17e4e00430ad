"""A file gridded by viscube as the data of a fit: identity, refusals, and the model on its odd grid."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest
from kinematics import ARCSEC_RAD, BAND_LIMITED
from steelyard.data.load import is_gridded, load_gridded
from steelyard.fitting.demo import unpack_demo
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.inference.density import cell_data, residual_squared
from steelyard_schemas import (
    ContractError,
    Galaxy,
    GriddedVisibilities,
    Store,
    read_manifest,
    read_model,
    read_store,
    write_store,
)
from steelyard_schemas.galaxy import Data, Grid
from vis_gridder import GridSpec, grid, read_visibilities

NPIX = 25


@pytest.fixture(scope="module")
def odd_grid(toy, toy_folder):
    spec = GridSpec(0.25, NPIX, rest_frequency_hz=toy.line.rest_frequency_hz)
    return grid(read_visibilities(toy_folder / "toy.zarr"), spec)


@pytest.fixture(scope="module")
def folder(odd_grid, tmp_path_factory):
    """Return a folder with the toy's cells as viscube lays out a half plane: rows of -v, columns of u."""
    half, centre = (len(odd_grid["frequency_hz"]), NPIX // 2 + 1, NPIX), NPIX // 2
    vis, std, mask = np.zeros(half, complex), np.ones(half), np.zeros(half, bool)
    for row in range(half[1]):
        for column in range(NPIX):
            v, u = -row, column - centre
            mirrored = u < 0 or (u == 0 and v < 0)
            if mirrored and v == 0:
                continue
            here = (slice(None), -v if mirrored else v, -u if mirrored else u)
            vis[:, row, column] = odd_grid["mean"][here].conj() if mirrored else odd_grid["mean"][here]
            mask[:, row, column] = odd_grid["mask"][here]
            std[:, row, column] = np.sqrt(np.where(mask[:, row, column], odd_grid["variance"][here], 1.0))
    path = tmp_path_factory.mktemp("viscube")
    np.savez(
        path / "toy.npz",
        vis_bin_re=vis.real,
        vis_bin_imag=vis.imag,
        std_bin_re=std,
        std_bin_imag=std,
        mask=mask,
        npix=NPIX,
        fov_arcsec=NPIX * 0.25,
        delta_u=1 / (NPIX * 0.25 * ARCSEC_RAD),
        chan_freq_hz=odd_grid["frequency_hz"],
        half_plane=True,
        window="kaiser_bessel",
        window_m=1,
        window_beta=2.0,
    )
    return path


@pytest.fixture(scope="module")
def galaxy(toy):
    return toy.model_copy(update={"data": Data(path="toy.npz")})


def test_the_file_is_taken_as_gridded_data(galaxy, folder, odd_grid, tmp_path):
    assert is_gridded(folder / "toy.npz")
    data = load_gridded(galaxy, folder)
    np.testing.assert_array_equal(data["mask"], odd_grid["mask"])
    np.testing.assert_array_equal(data["mean"], odd_grid["mean"])
    np.testing.assert_allclose(data["variance"], odd_grid["variance"], rtol=1e-6)
    # An interrupted fit knows its data again by their hash, and finds them in its folder as a store.
    write_store(tmp_path / "gridded.zarr", data)
    assert data.manifest == read_store(tmp_path / "gridded.zarr", GriddedVisibilities).manifest
    assert data.manifest.content_hash


def test_it_is_not_gridded_once_more(galaxy, folder):
    again = galaxy.model_copy(update={"data": Data(path="toy.npz", grid=Grid(cell_arcsec=0.25, npix=24))})
    with pytest.raises(ContractError, match="is gridded already: remove"):
        load_gridded(again, folder)


def test_visibilities_of_viscube_are_not_taken_for_a_grid(toy, tmp_path):
    np.savez(tmp_path / "vis.npz", vis=np.ones((2, 3)), u=np.ones((2, 3)))
    assert not is_gridded(tmp_path / "vis.npz")
    with pytest.raises(ContractError, match="is not gridded yet: add"):
        load_gridded(toy.model_copy(update={"data": Data(path="vis.npz")}), tmp_path)


@pytest.mark.slow
def test_the_model_on_an_odd_grid_is_a_direct_sum(galaxy, folder):
    data = load_gridded(galaxy, folder)
    model = GalaxyModel.of(galaxy, ModelGrid.of(data, galaxy.line.rest_frequency_hz))
    truth = {**galaxy.truth, "distance_mpc": galaxy.distance.mpc}
    cube = np.asarray(jax.jit(partial(model.cube, pixel=BAND_LIMITED))(truth), float)
    got = np.asarray(jax.jit(model.visibilities)(truth))
    assert got.shape == data["mean"].shape == (12, NPIX, NPIX // 2 + 1)
    # V = sum I exp(+2 pi i (u l + v m)), at the coordinates that the file's cells got, less the pixels' own squares.
    place, side = model.grid.sky.centres_arcsec * ARCSEC_RAD, model.grid.sky.cell_arcsec * ARCSEC_RAD
    u, v = data["u_wavelengths"], data["v_wavelengths"]
    phase_u, phase_v = (np.exp(2j * np.pi * np.multiply.outer(place, axis)) / np.sinc(axis * side) for axis in (u, v))
    expected = np.einsum("yv,cyx,xu->cvu", phase_v, cube, phase_u)
    # float32 sums of a thousand pixels.
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_the_truth_fits_the_file(galaxy, folder, odd_grid):
    data = load_gridded(galaxy, folder)
    # The file does not tell the dish, whose primary beam dims the edge of the toy's field by 3 %.
    observation = data.manifest.observation.model_copy(update={"dish_diameter_m": 12.0})
    data = Store(data.manifest.model_copy(update={"observation": observation}), data.arrays)
    model = GalaxyModel.of(galaxy, ModelGrid.of(data, galaxy.line.rest_frequency_hz))
    truth = {**galaxy.truth, "distance_mpc": galaxy.distance.mpc}
    means = jax.jit(model.cell_means)(truth)
    n = int(data["mask"].sum())
    chi2 = float(residual_squared(means, cell_data(data, model.uv_cells)).sum()) / (2 * n)
    # 3000 cells scatter by 2 %; estimated errors of 20 or more degrees of freedom raise it by up to a tenth.
    assert chi2 == pytest.approx(1.0, abs=0.15)
    # The wrong half, or the wrong sign, of the same data is far off.
    turned = dataclasses.replace(data, arrays={**data.arrays, "mean": data["mean"].conj()})
    assert float(residual_squared(means, cell_data(turned, model.uv_cells)).sum()) / (2 * n) > 3


def test_cells_of_an_earlier_version_have_one_identity_before_and_after_a_fit_keeps_them(tmp_path):
    """A fit keeps its cells in today's version of the contract: of the demo's, a second run knew its own no more."""
    demo = read_model(unpack_demo(tmp_path), Galaxy)
    data = load_gridded(demo, tmp_path)
    before = read_manifest(tmp_path / demo.data.path)
    assert before["schema_version"] != data.manifest.schema_version  # or this shows nothing
    write_store(tmp_path / "kept.zarr", data)
    kept = read_store(tmp_path / "kept.zarr", GriddedVisibilities)
    assert kept.manifest.content_hash == data.manifest.content_hash
