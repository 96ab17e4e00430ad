"""Leaving out empty cells beyond the longest baseline changes nothing but the number of cells."""

import numpy as np
import pytest
from kinematics import SkyGrid
from steelyard.data.crop import trimmed
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_on_half_plane
from steelyard.galaxy.simulation import true_parameters
from steelyard.inference.problem import prepare
from steelyard_schemas import GriddedVisibilities, Store, write_store


def within(data, reach):
    """The same data, but only of baselines up to `reach` cells in u and in v."""
    npix = data.manifest.npix
    v = np.abs(np.rint(np.fft.fftfreq(npix, 1 / npix)))[:, None]
    inside = (v <= reach) & (np.arange(npix // 2 + 1) <= reach)
    return Store(data.manifest, {**data.arrays, "mask": data["mask"] & inside})


def filled(npix):
    """A grid of 6 arcsec all of whose cells are filled, each with its own mean."""
    shape = (2, npix, npix // 2 + 1)
    arrays = {name: np.ones(shape, np.float32) for name in ("variance", "dof", "count")}
    mean = np.arange(np.prod(shape)).reshape(shape).astype(np.complex64)
    u, v = SkyGrid(npix, 6 / npix).u_wavelengths, SkyGrid(npix, 6 / npix).v_wavelengths
    arrays |= {"mean": mean, "mask": np.ones(shape, bool), "u_wavelengths": u, "v_wavelengths": v}
    manifest = GriddedVisibilities.model_construct(npix=npix, cell_arcsec=6 / npix, cell_moments=False)
    return Store(manifest, arrays | {"frequency_hz": np.array([1.0, 2.0])})


# 24 and 25 pixels hold 12 cells: a box of 16 would be no smaller.
@pytest.mark.parametrize(("npix", "reach", "left"), [(24, 3, 17), (24, 8, 17), (24, 9, 24), (25, 8, 17), (25, 9, 25)])
def test_size(npix, reach, left):
    small = trimmed(within(filled(npix), reach))
    assert small["mean"].shape[1:] == (left, left // 2 + 1)
    assert small.manifest.npix * small.manifest.cell_arcsec == pytest.approx(6.0)
    # The same uv cell, hence the same coordinates.
    sky = SkyGrid(left, 6 / left)
    np.testing.assert_allclose(small["u_wavelengths"], sky.u_wavelengths, rtol=1e-12)
    np.testing.assert_allclose(small["v_wavelengths"], sky.v_wavelengths, rtol=1e-12)


@pytest.mark.parametrize("npix", [24, 25])
def test_data_at_negative_v_alone_are_kept(npix):
    data = filled(npix)
    mask = np.zeros_like(data["mask"])
    mask[1, -7, 2] = True
    small = trimmed(Store(data.manifest, data.arrays | {"mask": mask}))
    assert small.manifest.npix == 17
    assert np.argwhere(small["mask"]).tolist() == [[1, 10, 2]]
    assert small["mean"][1, 10, 2] == data["mean"][1, -7, 2]


def test_cells_keep_their_places(toy_grid, tmp_path):
    data = within(toy_grid, 7)
    small = trimmed(data)
    for name in ("mean", "variance", "dof"):
        np.testing.assert_array_equal(small[name][small["mask"]], data[name][data["mask"]])
    for name, shape in (("u_wavelengths", (1, 1, -1)), ("v_wavelengths", (1, -1, 1))):
        before, after = (
            np.broadcast_to(one[name].reshape(shape), one["mask"].shape)[one["mask"]] for one in (data, small)
        )
        np.testing.assert_array_equal(before, after)
    write_store(tmp_path / "small.zarr", small)  # whose contract holds


def test_the_model_of_what_is_left_is_the_same(toy, toy_grid):
    truth = true_parameters(toy)
    data = within(toy_grid, 7)
    problem = prepare(toy, data)
    whole = GalaxyModel.of(toy, ModelGrid.of(data, toy.line.rest_frequency_hz))
    assert problem.model.grid.sky.npix < whole.grid.sky.npix
    expected = predicted_on_half_plane(whole, truth)[data["mask"]]
    got = predicted_on_half_plane(problem.model, truth)[problem.data["mask"]]
    # Rendered on fewer pixels: the renderer's own error.
    np.testing.assert_allclose(got, expected, atol=3e-3 * abs(expected).max())
    assert problem.data["mean"].shape == (toy_grid["mean"].shape[0], 17, 9)
