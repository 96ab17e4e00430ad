import numpy as np
import pytest
from steelyard.fitting.folder import RunFolder
from steelyard_schemas import ContractError


def test_claim_is_for_one_identity_once_there_is_something_to_lose(tmp_path):
    folder = RunFolder(tmp_path / "out")
    folder.claim("a")
    folder.claim("b")  # nothing was made for a yet
    folder.checkpoint.write_bytes(b"chains")
    folder.claim("b")
    with pytest.raises(ContractError, match=r"other inputs.*--restart"):
        folder.claim("a")
    folder.clear()
    folder.claim("a")


def test_discard_leaves_what_is_not_ours(tmp_path):
    folder = RunFolder(tmp_path / "out")
    folder.claim("a")
    folder.discard()
    assert not folder.path.exists()
    folder.discard()  # nothing there, nothing to do
    folder.claim("a")
    (folder.path / "notes.txt").write_text("mine")
    folder.discard()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]


def test_warnings_are_remembered(tmp_path):
    RunFolder(tmp_path).keep_warnings(("one", "two"))
    RunFolder(tmp_path).claim("a")
    assert RunFolder(tmp_path).warnings == ("one", "two")


def test_a_damaged_record_says_so(tmp_path):
    (tmp_path / "run.json").write_text('{"identity": "a')
    with pytest.raises(ContractError, match=r"run\.json: syntax error.*--restart"):
        RunFolder(tmp_path).claim("a")
    for text, words in (("[]", "holds a list"), ('{"a":' * 50_000, "nested too deeply")):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ContractError, match=rf"run\.json: .*{words}.*--restart"):
            RunFolder(tmp_path).claim("a")
    (tmp_path / "run.json").write_text('{"subcells": {"none": 1}}')
    with pytest.raises(ContractError, match=r"run\.json: is damaged.*--restart"):
        _ = RunFolder(tmp_path).subcells


def test_gridded_data_are_taken_up_only_for_the_same_source(tmp_path, toy_grid):
    folder = RunFolder(tmp_path / "out")
    folder.save_gridded(toy_grid, "stamp")
    assert folder.load_gridded("stamp")["mask"].sum() == toy_grid["mask"].sum()
    assert folder.load_gridded("another") is None


def test_a_lost_or_damaged_approximation_is_named_with_what_to_do(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_approximation({"centre": np.arange(3.0)})
    np.testing.assert_array_equal(folder.load_approximation()["centre"], np.arange(3.0))
    whole = folder.approximation.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive"):
        folder.approximation.write_bytes(content)
        with pytest.raises(ContractError, match=r"approximation\.npz.*--restart"):
            folder.load_approximation()
    folder.approximation.unlink()
    with pytest.raises(ContractError, match=r"approximation\.npz.*--restart"):
        folder.load_approximation()
