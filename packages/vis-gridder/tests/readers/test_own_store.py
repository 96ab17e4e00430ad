import numpy as np
import pytest
from steelyard_schemas import ContractError, write_store, write_stream
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.stream.source import ROW_ARRAYS


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


def test_a_stream_of_several_chunks_is_the_store(make_vis, tmp_path):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((50, 4)) + 1j * rng.standard_normal((50, 4))
    store = make_vis(np.arange(50.0), np.arange(50.0), data, times=5e9 + np.arange(50.0))
    half = [{name: store[name][rows] for name in ROW_ARRAYS} for rows in (slice(0, 30), slice(30, 50))]
    small = {name: store[name] for name in ("frequency_hz", "channel_width_hz")}
    write_stream(tmp_path / "own.zarr", store.manifest, small, 50, half)
    (found,) = open_visibilities(tmp_path / "own.zarr")
    assert (found.start_mjd_s, found.n_rows) == (5e9, 50)
    for _ in range(2):
        blocks = list(found.blocks())
        for i, name in enumerate(ROW_ARRAYS):
            np.testing.assert_array_equal(np.concatenate([block[i] for block in blocks]), store[name])
    assert found.history == list(store.manifest.history)


def test_damage_shows_at_the_end_of_a_pass(spoilt):
    path = spoilt()
    chunk = max((path / "w_m" / "c").rglob("*"), key=lambda file: file.is_file())
    other = max((path / "u_m" / "c").rglob("*"), key=lambda file: file.is_file())
    chunk.write_bytes(other.read_bytes())
    (found,) = open_visibilities(path)
    with pytest.raises(ContractError, match="does not match its hash"):
        list(found.blocks())


def test_rows_flagged_altogether_get_finite_coordinates(spoilt):
    vis = read_visibilities(spoilt(flag=at(2, True), v_m=at(2, np.nan)))
    np.testing.assert_array_equal(vis["v_m"], [0.0, 1.0, 0.0, 3.0])


def test_a_store_without_times_has_no_start(spoilt):
    (found,) = open_visibilities(spoilt(antenna1=at(..., -1)))
    assert found.start_mjd_s is None


@pytest.mark.parametrize("unknown", [0.0, np.nan])
def test_the_start_is_the_first_time_that_is_known(spoilt, unknown):
    def times(array):
        array[:] = [unknown, 5e9, 5e9 + 1, unknown]

    (found,) = open_visibilities(spoilt(time_mjd_s=times, antenna1=at(0, -1)))
    assert found.start_mjd_s == 5e9
