import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifacts.open import find_artifact
from nuker_surrogate.artifacts.versions import shipped_versions

from .support import refused_to_open


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
    refused_to_open(copy, r"weights\.msgpack has hash .* altered or damaged")


def test_a_truncated_part_is_noticed(copy):
    weights = copy / "weights.msgpack"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused_to_open(copy, r"weights\.msgpack has hash")


def test_a_missing_part_is_noticed(copy):
    (copy / "weights.msgpack").unlink()
    refused_to_open(copy, r"weights\.msgpack is missing")


def test_damage_to_the_validation_is_noticed(copy):
    next((copy / "validation.zarr" / "alpha").rglob("0")).unlink()
    refused_to_open(copy, r"validation\.zarr has hash")


def test_a_newer_contract_is_refused_with_advice(copy, edit_manifest):
    edit_manifest(copy, schema_version="9.0")
    refused_to_open(copy, r"schema_version '9\.0' is newer .* update steelyard-schemas")


def test_a_foreign_contract_is_refused(copy, edit_manifest):
    edit_manifest(copy, kind="posterior")  # whose fields are others
    refused_to_open(copy, "field required")


def test_foreign_folders_and_unknown_versions_are_refused(tmp_path):
    refused_to_open(tmp_path, "is not a surrogate artifact")
    refused_to_open("no/such/folder", "is not a surrogate artifact")
    refused_to_open("99.0.0", r"surrogate 99\.0\.0: is not shipped; shipped versions: ")


def test_a_manifest_that_never_ends_is_refused(copy):
    (copy / "manifest.json").write_text('{"files":' * 50_000)
    refused_to_open(copy, "nested too deeply")


def test_layers_of_another_shape_are_refused(copy, edit_manifest):
    edit_manifest(copy, head="corrected", hidden=[32, 32])
    refused_to_open(copy, "do not have the manifest's widths")


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
        refused_to_open(copy, r"weights\.msgpack has hash")
    finally:
        weights.write_bytes(good)
