import json
import shutil
import sys

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nuker_surrogate import NukerParams, load_surrogate
from nuker_surrogate.artifact import find_artifact, shipped_versions
from nuker_surrogate.release import release
from nuker_surrogate.train import TrainingConfig, train
from steelyard_schemas import ContractError, part_hash, validate

LAW = NukerParams(2.0, 2.5, 0.8, 120.0)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    config = TrainingConfig("corrected", linear_examples=200, hidden=(8,), examples=400, loss_steps=50)
    folder = tmp_path_factory.mktemp("artifacts") / "mine"
    return folder, release(folder, "0.1.0", train(config), points=8)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(find_artifact(), tmp_path / "copy")


def refused(folder, words):
    with pytest.raises(ContractError, match=words) as error:
        load_surrogate(folder)
    assert "\n" not in str(error.value)


def test_what_is_written_is_what_is_read(released):
    folder, manifest = released
    surrogate = load_surrogate(folder)
    assert surrogate.manifest == manifest
    assert surrogate.version == "0.1.0"
    assert surrogate.sigma_pc.dtype == np.float64
    assert np.isfinite(surrogate.coefficients(LAW)).all()
    assert validate(folder) == manifest
    group = zarr.open_group(folder / "validation.zarr", mode="r")
    assert group["alpha"].shape == (8 + 2,)  # in the box, and a quarter as many on its faces
    worst = next(e for e in manifest.errors if (e.quantity, e.q, e.points) == ("circular_velocity", 1.0, "box"))
    assert group["circular_velocity_error"][:8].max() == pytest.approx(worst.worst, rel=1e-12)


def test_an_existing_artifact_is_never_overwritten(released):
    folder, _ = released
    before = part_hash(folder)
    with pytest.raises(ContractError, match="exists already"):
        release(folder, "0.1.1", train(TrainingConfig(linear_examples=50)), points=2)
    assert part_hash(folder) == before


def test_nothing_is_left_of_a_failed_write(tmp_path, monkeypatch):
    trained = train(TrainingConfig(linear_examples=50))
    monkeypatch.setattr("nuker_surrogate.artifact._write_validation", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):  # noqa: PT011 - raised above, without words
        release(tmp_path / "out", "0.1.0", trained, points=2)
    assert list(tmp_path.iterdir()) == []


def test_shipped_versions_load_by_name_and_are_small():
    versions = shipped_versions()
    # The default changes with the paper's Gaussians only, however many other grids are shipped.
    assert load_surrogate().version == [version for version in versions if version.startswith("1.")][-1]
    for version in versions:
        assert load_surrogate(version).version == version
        folder = find_artifact(version)
        assert sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) < 3e6


def test_loading_needs_no_training_library():
    # Import is checked in a fresh interpreter: this one has them loaded.
    import subprocess

    code = "import sys; from nuker_surrogate import load_surrogate; load_surrogate(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"flax", "optax"} & set(loaded)


def test_a_changed_byte_is_noticed(copy):
    weights = copy / "weights.msgpack"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    refused(copy, r"weights\.msgpack has hash .* altered or damaged")


def test_a_truncated_part_is_noticed(copy):
    weights = copy / "weights.msgpack"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(copy, r"weights\.msgpack has hash")


def test_a_missing_part_is_noticed(copy):
    (copy / "weights.msgpack").unlink()
    refused(copy, r"weights\.msgpack is missing")


def test_damage_to_the_validation_is_noticed(copy):
    next((copy / "validation.zarr" / "alpha").rglob("0")).unlink()
    refused(copy, r"validation\.zarr has hash")


def test_a_newer_contract_is_refused_with_advice(copy, edit_manifest):
    edit_manifest(copy, schema_version="9.0")
    refused(copy, r"schema_version '9\.0' is newer .* update steelyard-schemas")


def test_a_foreign_contract_is_refused(copy, edit_manifest):
    edit_manifest(copy, kind="posterior")  # whose fields are others
    refused(copy, "field required")


def test_foreign_folders_and_unknown_versions_are_refused(tmp_path):
    refused(tmp_path, "is not a surrogate artifact")
    refused("no/such/folder", "is not a surrogate artifact")
    refused("99.0.0", r"surrogate 99\.0\.0: is not shipped; there is")


def test_foreign_weights_with_a_right_hash_are_refused(copy, edit_manifest):
    files = json.loads((copy / "manifest.json").read_text())["files"]
    (copy / "weights.msgpack").write_bytes(b"\x81\xa1a\x01")  # a valid map, of something else
    edit_manifest(copy, files=files | {"weights.msgpack": part_hash(copy / "weights.msgpack")})
    refused(copy, "holds no weights")


def test_layers_of_another_shape_are_refused(copy, edit_manifest):
    edit_manifest(copy, head="corrected", hidden=[32, 32])
    refused(copy, "do not have the manifest's widths")


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(position=st.floats(0, 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_weights_is_noticed(copy, position, bit):
    weights = copy / "weights.msgpack"
    good = weights.read_bytes()
    bad = bytearray(good)
    bad[int(position * (len(good) - 1))] ^= 1 << bit
    weights.write_bytes(bad)
    try:
        refused(copy, r"weights\.msgpack has hash")
    finally:
        weights.write_bytes(good)
