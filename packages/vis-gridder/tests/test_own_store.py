import numpy as np
import pytest
from steelyard_schemas import ContractError, write_store
from vis_gridder import read_visibilities


@pytest.fixture
def spoilt(make_vis, tmp_path):
    """Return a function that writes a store of 4 rows and 5 channels, spoilt, and gives its path."""

    def write(**changed):
        store = make_vis(np.arange(4.0), np.arange(4.0), np.ones((4, 5), complex))
        for name, spoil in changed.items():
            spoil(store[name])
        write_store(tmp_path / "own.zarr", store)
        return tmp_path / "own.zarr"

    return write


def at(place, value):
    def spoil(array):
        array[place] = value

    return spoil


def test_a_sound_store_comes_back(spoilt):
    assert read_visibilities(spoilt())["vis"].shape == (4, 5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flag": at(..., True)}, "all data flagged"),
        ({"weight": at(..., 0)}, "without weight"),
        ({"weight": at((1, 2), np.nan)}, "1 unflagged weights"),
        ({"weight": at((1, slice(None)), -1)}, "5 unflagged weights"),
        ({"vis": at((1, 2), np.inf)}, "1 unflagged vis"),
        ({"u_m": at(2, np.nan)}, "u_m that is NaN or infinite in 1 rows"),
        ({"frequency_hz": at(..., 230.0 + 1e-3 * np.arange(5))}, "GHz, it seems"),
        ({"frequency_hz": at(3, 230e9 + 3.4e6)}, "irregular channels"),
        ({"frequency_hz": at(..., 230e9 - 1e6 * np.arange(5))}, "descending"),
    ],
)
def test_values_that_cannot_be_used(spoilt, changed, message):
    with pytest.raises(ContractError, match=message):
        read_visibilities(spoilt(**changed))


def test_what_is_flagged_may_hold_anything(spoilt):
    read_visibilities(spoilt(flag=at((1, 2), True), weight=at((1, 2), np.nan), vis=at((1, 2), np.nan)))
