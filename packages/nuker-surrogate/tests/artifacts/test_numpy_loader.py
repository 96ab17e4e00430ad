import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nuker_surrogate import NukerParams, load_surrogate
from nuker_surrogate.artifacts import numpy_loader
from nuker_surrogate.artifacts.numpy_loader import NumpySurrogate
from nuker_surrogate.expansion.heads import HEADS, INPUTS
from nuker_surrogate.law.domain import from_box, limits, sample_box

LAW = NukerParams(2.0, 2.5, 0.8, 120.0)
LOW, HIGH = limits()
BOX = st.tuples(*(st.floats(low, high) for low, high in zip(LOW, HIGH, strict=True)))
SOURCE = Path(numpy_loader.__file__)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, write_artifact):
    root = tmp_path_factory.mktemp("heads")
    return {head: write_artifact(root / head, "0.1.0", head) for head in HEADS}


@pytest.fixture(scope="module")
def both(folders):
    return {head: (load_surrogate(folder), NumpySurrogate(folder)) for head, folder in folders.items()}


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders["corrected"], tmp_path / "copy")


def assert_same(both, head, law):
    with_jax, with_numpy = both[head]
    with jax.enable_x64(True):
        expected = np.asarray(with_jax.coefficients(law))
    found = with_numpy.coefficients(*law)
    assert expected.dtype == found.dtype == np.float64
    assert found.shape == expected.shape
    # What adds up to a coefficient can be larger than it, but not than the largest of the law by much.
    largest = np.abs(expected).max(axis=-1, keepdims=True)
    assert np.all(np.abs(found - expected) < 1e-9 * largest)


@pytest.mark.parametrize("head", HEADS)
def test_coefficients_are_those_of_the_jax_surrogate(both, head):
    assert_same(both, head, from_box(sample_box(300, np.random.default_rng(1), faces=0.3)))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(head=st.sampled_from(HEADS), point=BOX)
def test_coefficients_agree_anywhere_in_the_box(both, head, point):
    assert_same(both, head, NukerParams(*(float(leaf[0]) for leaf in from_box(np.array([point])))))


def test_a_shipped_surrogate_agrees():
    from nuker_surrogate.artifacts.open import find_artifact

    pair = {"shipped": (load_surrogate(), NumpySurrogate(find_artifact()))}
    assert_same(pair, "shipped", from_box(sample_box(100, np.random.default_rng(2))))


def test_arguments_broadcast_and_widths_are_given(both):
    surrogate = both["corrected"][1]
    grid = surrogate.coefficients(np.array([1.0, 2.0])[:, None], 2.5, 0.8, np.array([50.0, 120.0, 300.0]))
    assert grid.shape == (2, 3, 64)
    assert np.allclose(grid[1, 1], surrogate.coefficients(*LAW), rtol=1e-12, atol=0)
    assert np.array_equal(surrogate.sigma_pc, both["corrected"][0].sigma_pc)


def test_its_names_are_those_of_the_package():
    assert numpy_loader.HEADS == HEADS
    assert tuple(numpy_loader.INPUTS) == INPUTS


def test_the_file_is_short_and_stands_alone(tmp_path, folders):
    assert len(SOURCE.read_text().splitlines()) < 65
    shutil.copy(SOURCE, tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from numpy_loader import NumpySurrogate; "
        f"NumpySurrogate({str(folders['corrected'])!r}).coefficients({', '.join(map(str, LAW))}); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"jax", "pydantic", "nuker_surrogate", "steelyard_schemas"} & set(ran.stdout.split())


@pytest.mark.parametrize(
    ("law", "name"),
    [
        ((0.05, 2.5, 0.8, 120.0), "alpha"),
        ((2.0, 0.9, 0.8, 120.0), "beta_minus_gamma"),
        ((2.0, 2.5, 1.3, 120.0), "gamma"),
        ((2.0, 2.5, 0.8, [120.0, 1e5]), "r_b_pc"),
        ((2.0, 2.5, 0.8, np.nan), "r_b_pc"),
    ],
)
def test_laws_outside_the_domain_are_refused(both, law, name):
    with pytest.raises(ValueError, match=f"^{name} is outside the surrogate's domain"):
        both["linear"][1].coefficients(*law)


def test_the_domain_has_the_edges_of_the_jax_surrogate(both):
    for factor, ok in ((1 + 1e-6, True), (1 + 1e-5, False)):
        for surrogate in both["linear"]:
            params = (2.0, 2.5, 0.8, 2000.0 * factor)
            law = params if isinstance(surrogate, NumpySurrogate) else (NukerParams(*params),)
            try:
                with jax.enable_x64(True):
                    surrogate.coefficients(*law)
                assert ok
            except ValueError:
                assert not ok


def refused(folder, words):
    with pytest.raises(ValueError, match=words) as error:
        NumpySurrogate(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_damage_and_foreign_folders_are_refused(copy, tmp_path):
    weights = copy / "weights.msgpack"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    refused(copy, "altered or damaged")
    weights.unlink()
    refused(copy, "No such file")
    refused(tmp_path, "cannot be read as a surrogate")
    (copy / "manifest.json").write_text("[]")
    refused(copy, "cannot be read as a surrogate")


def test_impossible_numbers_are_refused(copy, edit_manifest):
    widths = json.loads((copy / "manifest.json").read_text())["sigma_pc"]
    for bad in (-1.0, 0.0, float("nan"), float("inf")):
        edit_manifest(copy, sigma_pc=[bad, *widths[1:]])
        refused(copy, "not finite, or widths that are not positive")
    (copy / "manifest.json").write_text('{"files":' * 50_000)
    refused(copy, "cannot be read as a surrogate")


@pytest.mark.parametrize(
    "change", [{"schema_version": "2.0"}, {"head": "tanh"}, {"activation": "relu"}, {"inputs": ["alpha"]}]
)
def test_another_form_is_refused_with_advice(copy, edit_manifest, change):
    assert json.loads((copy / "manifest.json").read_text()).keys() >= change.keys()
    edit_manifest(copy, **change)
    refused(copy, "copy a newer numpy_loader")
