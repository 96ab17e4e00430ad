"""Names from files and networks lead nowhere but into their folder."""

import json
import os

import pytest
from pydantic import BaseModel, ValidationError
from steelyard_schemas import (
    ContractError,
    MemberName,
    Posterior,
    SurrogateArtifact,
    SurveyJob,
    member_files,
    safe_member,
)

GOOD = (
    "weights.msgpack",
    "validation.zarr/alpha/c/0",
    ".hidden",
    "...a",
    "a b",
    "Sérsic",
    "\uff0e\uff0e/x",
    "x" * 255,
)
BAD = {
    "../x": "'..'",
    "a/../../x": "'..'",
    "..": "'..'",
    ".": "'.'",
    "./x": "'.'",
    "": "empty part",
    "a//b": "empty part",
    "a/": "empty part",
    "a/.. /b": "'..'",  # where a system drops the space
    "/etc/passwd": "absolute",
    "//abs/path": "absolute",
    "C:\\x": "backslash",
    "C:/x": "drive",
    "c:x": "drive",
    "a\\b": "backslash",
    "a\x00b": "control character",
    "a\nb": "control character",
    "a\x1b[2Jb": "control character",
    "a\x85b": "control character",
    "a\u2028b": "control character",
    "a\ud800b": "control character",
    "x" * 256: "longer than 255 bytes",
    "é" * 128: "longer than 255 bytes",
    "/".join(["x" * 200] * 6): "or 1024 bytes",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_member_lies_in_its_folder(tmp_path, name):
    assert safe_member(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(("name", "words"), BAD.items(), ids=[ascii(name)[:20] for name in BAD])
def test_names_that_could_lead_elsewhere_are_refused(tmp_path, name, words):
    with pytest.raises(ContractError, match=words) as error:
        safe_member(tmp_path, name)
    assert str(error.value).isprintable()

    class Model(BaseModel):
        field: MemberName

    with pytest.raises(ValidationError):
        Model(field=name)


def test_no_link_below_the_folder_is_followed(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    (outside / "inner").mkdir(parents=True)
    (folder / "real").mkdir(parents=True)
    (folder / "linked").symlink_to(outside)
    (folder / "real" / "dangling").symlink_to(tmp_path / "nowhere")
    (folder / "inside").symlink_to(folder / "real")  # links within are refused too: simpler to be sure of
    (folder / "loop").symlink_to(folder / "loop")
    for name in ("linked", "linked/inner", "linked/inner/new", "real/dangling", "inside/new", "loop"):
        with pytest.raises(ContractError, match="is a link"):
            safe_member(folder, name)


def test_the_folder_itself_may_be_a_link(tmp_path, monkeypatch):
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert safe_member(tmp_path / "link", "sub/new") == tmp_path / "link" / "sub" / "new"
    monkeypatch.chdir(tmp_path / "link")
    safe_member(".", "sub/new")


def test_only_files_and_folders_are_listed(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "0").write_bytes(b"123")
    (tmp_path / "a").write_bytes(b"1")
    assert member_files(tmp_path) == {"a": 1, "b/c/0": 3}
    assert member_files(tmp_path, "b") == {"b/c/0": 3}
    assert member_files(tmp_path, "a") == {"a": 1}
    for name in ("nothing", "../a"):
        with pytest.raises(ContractError):
            member_files(tmp_path, name)
    os.mkfifo(tmp_path / "b" / "pipe")
    with pytest.raises(ContractError, match="'b/pipe' is a link or a device"):
        member_files(tmp_path)
    with pytest.raises(ContractError, match="'b/pipe'"):
        member_files(tmp_path, "b/pipe")
    (tmp_path / "b" / "pipe").unlink()
    (tmp_path / "b" / "link").symlink_to("c")
    with pytest.raises(ContractError, match="'b/link' is a link"):
        member_files(tmp_path, "b")
    (tmp_path / "b" / "link").unlink()
    (tmp_path / "b" / "two\nlines").touch()
    with pytest.raises(ContractError, match=r"'b/two\\nlines' holds a control character"):
        member_files(tmp_path)


@pytest.mark.parametrize("name", ["../../x", "/x", "a\\b", ""])
def test_contracts_refuse_such_names(make, tmp_path, name):
    job = make.survey_job().model_dump() | {"output": name}
    with pytest.raises(ValidationError, match="output"):
        SurveyJob.model_validate(job)
    make.write_artifact(tmp_path / "artifact")
    manifest = json.loads((tmp_path / "artifact" / "manifest.json").read_text())
    manifest["files"][name] = "sha256:" + "0" * 64
    with pytest.raises(ValidationError, match="files"):
        SurrogateArtifact.model_validate(manifest)
    posterior = make.posterior().manifest.model_dump()
    posterior["parameters"][0]["name"] = name
    with pytest.raises(ValidationError, match="name"):
        Posterior.model_validate(posterior)
