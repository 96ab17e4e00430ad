"""Files of plain arrays: round trip, damage, objects."""

import io

import numpy as np
import pytest
from steelyard_schemas import ContractError, read_npz, write_npz

ARRAYS = {"identity": np.array("fit 1"), "stage/0": np.arange(6.0).reshape(2, 3), "done": np.array(7)}


@pytest.fixture
def written(tmp_path):
    write_npz(tmp_path / "a.npz", ARRAYS)
    return tmp_path / "a.npz"


def test_round_trip(written):
    back = read_npz(written, "start afresh")
    assert back.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    write_npz(written, {"a": np.zeros(2)})
    assert read_npz(written, "start afresh").keys() == {"a"}


def test_what_is_missing_says_what_to_do(tmp_path):
    with pytest.raises(ContractError, match=r"none\.npz: cannot be read: No such file or directory; start afresh$"):
        read_npz(tmp_path / "none.npz", "start afresh")


def test_objects_are_neither_written_nor_read(tmp_path, written):
    before = written.read_bytes()
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_npz(written, {"a": np.array([{}, None])})
    assert written.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    np.savez(written, a=np.array([{}, None]))
    with pytest.raises(ContractError, match="Object arrays cannot be loaded"):
        read_npz(written, "start afresh")


def test_damage_of_any_sort_is_one_error(tmp_path):
    # Flipped bytes and cuts anywhere fail in zipfile, zlib, struct or NumPy; a lone .npy file in `with`.
    rng = np.random.default_rng(1)
    file = tmp_path / "a.npz"
    refused = 0
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **ARRAYS)
        whole = buffer.getvalue()
        for i in range(150):
            damaged = bytearray(whole)
            if i % 5:
                damaged[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
            else:
                damaged = damaged[: rng.integers(len(whole))]
            file.write_bytes(damaged)
            try:
                read_npz(file, "start afresh")
            except ContractError:
                refused += 1
    # Bytes that nothing depends on (dates, attributes) may flip unseen; cuts, a fifth of all, cannot.
    assert refused > 150
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(ContractError, match="cannot be read"):
        read_npz(tmp_path / "b.npy", "start afresh")
