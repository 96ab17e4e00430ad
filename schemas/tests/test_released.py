"""Released files stay readable: examples, JSON Schemas, artifact folders, the README."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from steelyard_schemas import ContractError, Store, read_model, read_store, validate
from steelyard_schemas.export import json_schema, main
from steelyard_schemas.migrations import CONTRACTS, current_version

ROOT = Path(__file__).parents[1]
RELEASED = sorted(
    path for folder in (ROOT / "examples").iterdir() if folder.is_dir() for path in folder.glob("example*")
)


@pytest.mark.parametrize("path", RELEASED, ids=lambda p: p.parent.name)
def test_every_released_example_opens(path):
    kind, _, _version = path.parent.name.rpartition("-")
    found = validate(path)
    assert found.kind == kind
    assert found.schema_version == current_version(kind)


def test_every_current_contract_has_an_example():
    assert {p.parent.name for p in RELEASED} >= {f"{kind}-{current_version(kind)}" for kind in CONTRACTS}


def test_examples_are_small():
    assert all(sum(f.stat().st_size for f in p.parent.rglob("*") if f.is_file()) < 40_000 for p in RELEASED)


@pytest.mark.parametrize("kind", CONTRACTS)
def test_the_script_makes_what_is_released(kind, make, tmp_path):
    made = make.write_example(kind, tmp_path / "new")
    released = ROOT / "examples" / f"{kind}-{current_version(kind)}" / made.name
    model = CONTRACTS[kind]
    if made.suffix == ".zarr":
        one, other = (read_store(p, model) for p in (made, released))
        for name in one.arrays:
            np.testing.assert_array_equal(one[name], other[name])
        assert one.manifest.model_copy(update={"content_hash": ""}) == other.manifest.model_copy(
            update={"content_hash": ""}
        )
    elif made.is_dir():
        assert {p.name for p in made.iterdir()} == {p.name for p in released.iterdir()}
    else:
        assert read_model(made, model) == read_model(released, model)


@pytest.mark.parametrize("kind", CONTRACTS)
def test_exported_schemas_are_current(kind):
    exported = (ROOT / "json" / f"{kind}-{current_version(kind)}.json").read_text()
    assert exported == json_schema(CONTRACTS[kind]), "run `poe schemas` and commit"


def test_export_writes_every_contract(tmp_path):
    main(str(tmp_path / "json"))
    written = {p.name for p in (tmp_path / "json").iterdir()}
    assert written == {f"{kind}-{current_version(kind)}.json" for kind in CONTRACTS}
    arrays = json.loads((tmp_path / "json" / "visibilities-1.1.json").read_text())["x-arrays"]
    assert {"name": "u_m", "dims": ["row"], "dtype": "float64", "unit": "m"}.items() <= arrays[0].items()
    promised = json.loads((tmp_path / "json" / "gridded_visibilities-1.2.json").read_text())["x-arrays-if"]
    assert [spec["name"] for spec in promised["cell_moments"]] == [
        "offset_u",
        "offset_v",
        "spread_uu",
        "spread_uv",
        "spread_vv",
    ]


def test_every_released_version_keeps_its_schema():
    assert {p.name for p in (ROOT / "json").iterdir()} == {f"{p.parent.name}.json" for p in RELEASED}


@pytest.mark.parametrize("kind", ["visibilities", "gridded_visibilities"])
def test_what_1_0_did_not_know_is_empty(kind):
    old = read_store(ROOT / "examples" / f"{kind}-1.0" / "example.zarr", CONTRACTS[kind])
    assert old.manifest.observation.array_position_m is None
    assert old.manifest.observation.target == "example"
    if kind == "gridded_visibilities":
        assert (old.manifest.cell_moments, old.manifest.sources) == (False, ())
        assert "offset_u" not in old.arrays


def test_a_galaxy_of_1_0_means_what_it_meant():
    old = validate(ROOT / "examples" / "galaxy-1.0" / "example.toml")
    assert (old.mass, old.disc.warp, old.disc.table, old.disc.dispersion) == ((), None, None, "constant")
    assert (old.data.spectral_response, old.data.primary_beam) == ("top_hat", "gaussian")
    # Posteriors and jobs of that time hold such a galaxy, and keep its identity.
    posterior = read_store(ROOT / "examples" / "posterior-1.0" / "example.zarr", CONTRACTS["posterior"])
    job = validate(ROOT / "examples" / "survey_job-1.0" / "example.json")
    assert posterior.manifest.galaxy == job.galaxy == old
    assert job.job_id == validate(ROOT / "examples" / "job_record-1.0" / "example.json").job_id


@pytest.fixture
def artifact(make, tmp_path):
    make.write_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


def test_an_artifact_is_whole(artifact):
    assert validate(artifact).version == "0.0.1"


@pytest.mark.parametrize("part", ["weights.msgpack", "validation.zarr/alpha/c/0"])
def test_an_altered_part_of_an_artifact_is_found(artifact, part):
    data = (artifact / part).read_bytes()
    (artifact / part).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ContractError, match=rf"{part.split('/')[0]} has hash .* altered or damaged"):
        validate(artifact)


def test_every_lost_part_of_an_artifact_is_told(artifact):
    (artifact / "weights.msgpack").unlink()
    shutil.rmtree(artifact / "validation.zarr")
    with pytest.raises(ContractError) as caught:
        validate(artifact)
    told = {f"{part} is missing: copy the artifact again" for part in ("weights.msgpack", "validation.zarr")}
    assert set(caught.value.problems) == told


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(ContractError, match="is neither a Zarr store"):
        validate(tmp_path)


def test_readme_example_runs(tmp_path, monkeypatch):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile("".join(examples), "README.md", "exec"), names)
    assert isinstance(names["back"], Store)
    assert (tmp_path / "target.zarr").is_dir()
    np.testing.assert_array_equal(read_store("halved.zarr", names["Visibilities"])["weight"], 0.5)


def test_a_posterior_of_before_1_4_says_what_its_velocities_are():
    old, new = (
        read_store(ROOT / "examples" / f"posterior-{version}" / "example.zarr", CONTRACTS["posterior"]).manifest
        for version in ("1.3", "1.4")
    )
    assert (old.velocities, old.systemic_velocity) == ("radio_differences", None)
    assert new.velocities == "galaxy_frame"
    assert new.systemic_velocity.frame == "LSRK"


@pytest.mark.parametrize(("kind", "version"), [("posterior", "1.5"), ("survey_job", "1.3")])
def test_a_document_that_holds_a_galaxy_does_not_repeat_its_schema(kind, version):
    schema = json.loads((ROOT / "json" / f"{kind}-{version}.json").read_text())
    assert schema["properties"]["galaxy"]["properties"]["kind"] == {"const": "galaxy"}
    assert "Priors" not in schema.get("$defs", {})
