import msgpack
import numpy as np
import pytest
import zarr
from nuker_surrogate import NukerParams, load_surrogate
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.release import release
from nuker_surrogate.training.train import train
from steelyard_schemas import ContractError, pack_weights, part_hash, read_weights, validate

from .support import part_hashes, refused_to_open

LAW = NukerParams(2.0, 2.5, 0.8, 120.0)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    config = TrainingConfig("corrected", linear_examples=200, hidden=(8,), examples=400, loss_steps=50)
    folder = tmp_path_factory.mktemp("artifacts") / "mine"
    return folder, release(folder, "0.1.0", train(config), points=8)


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_existing_artifact_is_never_overwritten(released):
    folder, _ = released
    before = part_hash(folder)
    with pytest.raises(ContractError, match="exists already"):
        release(folder, "0.1.1", train(TrainingConfig(linear_examples=50)), points=2)
    assert part_hash(folder) == before


def test_nothing_is_left_of_a_failed_write(tmp_path, monkeypatch):
    trained = train(TrainingConfig(linear_examples=50))
    monkeypatch.setattr(
        "nuker_surrogate.artifacts.files._write_validation", lambda *_: (_ for _ in ()).throw(OSError)
    )
    with pytest.raises(OSError):  # noqa: PT011 - raised above, without words
        release(tmp_path / "out", "0.1.0", trained, points=2)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def replace_weights(copy, edit_manifest):
    """Put other weights into the artifact, and their hash into its manifest."""

    def replace(data):
        (copy / "weights.msgpack").write_bytes(data)
        edit_manifest(copy, files=part_hashes(copy) | {"weights.msgpack": part_hash(copy / "weights.msgpack")})

    return replace


def packed(values, **changes):
    array = np.array(values)
    return {"dtype": "<f8", "shape": list(array.shape), "data": array.tobytes()} | changes


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 5000,
        b"\xdd\xff\xff\xff\xff",  # a list that claims four billion members
        b"\x81\xa1a\x01",  # a valid map, of something else
        msgpack.packb({"kernels": [[1.0]]}),
        msgpack.packb({"R_pc": packed([1.0, np.nan])}),
        msgpack.packb({"R_pc": packed([1.0, np.inf])}),
        msgpack.packb({"R_pc": packed([1.0], shape=[2**40])}),
        msgpack.packb({"R_pc": packed([1.0], shape=[-1])}),
        msgpack.packb({"R_pc": packed([1.0], shape=[1, True])}),
        msgpack.packb({"R_pc": packed([1.0], dtype="|O")}),
        msgpack.packb({"R_pc": packed([1.0], dtype="<i8")}),
        msgpack.packb({"R_pc": packed([1.0], dtype=["<f8"])}),
    ],
)
def test_what_is_no_weights_is_refused_though_its_hash_is_right(copy, replace_weights, data):
    replace_weights(data)
    refused_to_open(copy, r"weights\.msgpack: (holds no weights|is not msgpack)")
    with pytest.raises(ContractError, match=r"weights\.msgpack: (holds no weights|is not msgpack)"):
        validate(copy)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"R_pc": -1.0}, "radii are not positive"),
        ({"cusp_R_pc": 0.0}, "radii are not positive"),
        ({"R_pc": None}, "holds no weights: expected the arrays"),
        ({"more": 1.0}, "holds no weights: expected the arrays"),
        ({"cusp_weight": [1.0]}, "cusp_weight do not have the manifest's widths"),
        ({"deconvolution": [[1.0]]}, "deconvolution do not have the manifest's widths"),
        ({"biases": ([1.0],)}, "biases do not have the manifest's widths"),
    ],
)
def test_weights_of_another_surrogate_are_refused(copy, replace_weights, changes, words):
    weights = dict(read_weights(copy / "weights.msgpack"))
    for name, value in changes.items():
        if value is None:
            del weights[name]
        elif isinstance(value, tuple):
            weights[name] = tuple(np.array(one) for one in value)
        elif isinstance(value, list):
            weights[name] = np.array(value)
        else:
            weights[name] = np.full_like(weights.get(name, np.zeros(1)), value)
    replace_weights(pack_weights(weights))
    refused_to_open(copy, words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"files": {}}, r"files lists no weights\.msgpack"),
        ({"files": {"weights.msgpack": "md5:0"}}, "files"),
        ({"sigma_pc": [float("nan"), 1.0]}, r"sigma_pc\.0: input should be a finite number"),
        ({"sigma_pc": [-1.0, 1.0]}, r"sigma_pc\.0: input should be greater than 0"),
        ({"sigma_pc": [0.0, 1.0]}, r"sigma_pc\.0: input should be greater than 0"),
        ({"sigma_pc": [2.0, 1.0]}, "sigma_pc must ascend"),
        ({"sigma_pc": []}, "sigma_pc"),
        ({"input_scale": [0.0] * 5}, r"input_scale\.0"),
        ({"input_mean": [0.0]}, "must have equal lengths"),
        ({"hidden": [-3]}, r"hidden\.0"),
        ({"head": "linear", "hidden": [10**12]}, "hidden must be empty for a linear head"),
        ({"version": "1.2.x"}, "version"),
    ],
)
def test_a_manifest_of_impossible_numbers_is_refused(copy, edit_manifest, fields, words):
    edit_manifest(copy, **fields)
    refused_to_open(copy, words)
    with pytest.raises(ContractError, match=words):
        validate(copy)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "not finite"), (-1.0, "negative errors")])
def test_a_validation_of_impossible_numbers_is_refused(copy, edit_manifest, value, words):
    zarr.open_group(copy / "validation.zarr", mode="r+")["surface_density_error"][0] = value
    edit_manifest(copy, files=part_hashes(copy) | {"validation.zarr": part_hash(copy / "validation.zarr")})
    with pytest.raises(ContractError, match=words):
        validate(copy)
