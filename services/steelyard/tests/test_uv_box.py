"""Leaving out empty cells beyond the longest baseline changes nothing but the number of cells."""

import jax
import numpy as np
import pytest
from steelyard.density import cell_data
from steelyard.fitting import prepare
from steelyard.model import GalaxyModel, ModelGrid
from steelyard.simulation import true_parameters
from steelyard.uv_box import trimmed
from steelyard_schemas import Store, write_store


def within(data, reach):
    """The same data, but only of baselines up to `reach` cells in u and in v."""
    npix = data.manifest.npix
    v = np.abs(np.rint(np.fft.fftfreq(npix, 1 / npix)))[:, None]
    inside = (v <= reach) & (np.arange(npix // 2 + 1) <= reach)
    return Store(data.manifest, {**data.arrays, "mask": data["mask"] & inside})


@pytest.mark.parametrize(("reach", "npix"), [(3, 17), (8, 17), (9, 24)])
def test_size(toy_grid, reach, npix):
    # 24 pixels hold 12 cells: a box of 16 would be no smaller.
    full = Store(toy_grid.manifest, {**toy_grid.arrays, "mask": np.ones_like(toy_grid["mask"])})
    small = trimmed(within(full, reach))
    assert small["mean"].shape[1:] == (npix, npix // 2 + 1)
    assert small.manifest.npix * small.manifest.cell_arcsec == pytest.approx(6.0)


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
    whole = GalaxyModel(toy, ModelGrid.of(data, toy.line.rest_frequency_hz))
    assert problem.model.grid.sky == whole.grid.sky
    expected = np.asarray(jax.jit(whole.visibilities)(truth))[data["mask"]]
    got = np.asarray(jax.jit(problem.model.visibilities)(truth))[problem.data["mask"]]
    # The same sums in single precision.
    np.testing.assert_allclose(got, expected, atol=2e-6 * abs(expected).max())
    assert cell_data(problem.data).mean.shape == (toy_grid["mean"].shape[0], 17, 9)
