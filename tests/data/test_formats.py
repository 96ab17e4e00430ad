"""One data set in two formats, through the application's own way from a galaxy file to gridded data."""

import numpy as np
import pytest
from steelyard.data.load import load_gridded
from steelyard_schemas import Galaxy

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def grids(data_dir, unpacked):
    def load(path):
        galaxy = Galaxy.model_validate(
            {
                "name": "small",
                "distance": {"mpc": 16.5},
                "line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9},
                "data": {"path": path.name, "grid": {"cell_arcsec": 0.6, "npix": 64}},
            }
        )
        return load_gridded(galaxy, path.parent)

    return load(unpacked("mock_small.ms")), load(data_dir / "mock_small.uvfits.gz")


def test_measurement_set_and_uvfits_agree(grids):
    ms, uvfits = grids
    np.testing.assert_array_equal(ms["mask"], uvfits["mask"])
    np.testing.assert_array_equal(ms["count"], uvfits["count"])
    np.testing.assert_allclose(ms["frequency_hz"], uvfits["frequency_hz"], rtol=1e-12)
    # The UVFITS file is single precision: its u and v move the kernel's weights by parts in a million.
    assert np.abs(ms["mean"] - uvfits["mean"]).max() < 1e-6
    assert np.linalg.norm(ms["mean"] - uvfits["mean"]) < 1e-6 * np.linalg.norm(ms["mean"])


def test_each_knows_what_it_was_made_from(grids):
    ms, uvfits = grids
    assert ms.manifest.source.startswith("mock_small.ms")
    assert uvfits.manifest.source.startswith("mock_small.uvfits")
    assert ms.manifest.content_hash != uvfits.manifest.content_hash
