import shutil

import pytest
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifacts import download
from nuker_surrogate.artifacts.publish import publish
from nuker_surrogate.artifacts.remote import fetch
from steelyard_schemas import part_hash, validate

from .support import everything, part_hashes, refused

pytestmark = pytest.mark.usefixtures("cache", "shipped")


def test_only_what_the_manifest_lists_is_downloaded(memory, made, cache, tmp_path):
    publish(made["1.9.0"], "memory://team")
    data = memory.store["/team/1.9.0/weights.msgpack"]
    for name in (f"/{tmp_path}/ESCAPED", "../../ESCAPED", "notes.txt", "validation.zarr.txt"):
        memory.store[f"/team/1.9.0/{name}"] = data
    before = set(everything(tmp_path))
    folder = fetch("1.9.0", "memory://team")
    assert {p.relative_to(folder).as_posix(): d for p, d in everything(folder).items()} == {
        p.relative_to(made["1.9.0"]).as_posix(): d for p, d in everything(made["1.9.0"]).items()
    }
    assert all(folder in path.parents for path in set(everything(tmp_path)) - before)


@pytest.mark.parametrize("name", ["/{tmp}/ESCAPED", "../../../ESCAPED", "a\\b", "C:x/../y", "a\0b", "a//b", "./a"])
def test_names_in_a_listed_part_that_lead_out_are_refused(memory, made, cache, tmp_path, name):
    publish(made["1.9.0"], "memory://team")
    data = memory.store["/team/1.9.0/weights.msgpack"]
    memory.store[f"/team/1.9.0/validation.zarr/{name.format(tmp=tmp_path)}"] = data
    before = everything(tmp_path)
    refused("the name .* it must be relative", fetch, "1.9.0", "memory://team")
    assert everything(tmp_path) == before


BAD_PARTS = ["../../../ESCAPED", "/{tmp}/ESCAPED", "validation.zarr/../../../ESCAPED", "a\\b", "a\0b", "", "."]


@pytest.mark.parametrize("part", BAD_PARTS)
def test_parts_that_lead_out_are_refused_before_anything_else_is_read(
    memory, made, tmp_path, part, edit_manifest, monkeypatch
):
    url = "memory://team"
    publish(made["1.9.0"], url)
    bad = shutil.copytree(made["1.9.0"], tmp_path / "a" / "b" / "c" / "bad")
    secret = tmp_path / "ESCAPED"
    secret.write_bytes(b"secret")
    name = part.format(tmp=tmp_path)
    edit_manifest(bad, files=part_hashes(bad) | {name: part_hash(secret)})
    before = everything(tmp_path)
    for attack in (
        lambda: publish(bad, tmp_path / "registry" / "deep"),
        lambda: publish(bad, "memory://rivals"),
        lambda: load_surrogate(bad),
        lambda: validate(bad),
    ):
        refused("the name .* it must be relative", attack)
    memory.pipe_file("/team/1.9.0/manifest.json", (bad / "manifest.json").read_bytes())
    opened, open_file = [], type(memory)._open
    monkeypatch.setattr(
        type(memory), "_open", lambda self, path, *a, **k: (opened.append(path), open_file(self, path, *a, **k))[1]
    )
    refused("the name .* it must be relative", fetch, "1.9.0", url)
    assert opened == ["/team/1.9.0/manifest.json"]
    assert everything(tmp_path) == before
    assert not any(path.startswith("/rivals") for path in memory.store)


def artifact_sizes(folder):
    return {path: len(data) for path, data in everything(folder).items() if path.name != "manifest.json"}


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MOST_MANIFEST_BYTES", 1000, "'manifest.json' is longer than the 1,000 bytes allowed"),
        ("MOST_FILE_BYTES", 10_000, "'weights.msgpack' is longer than the 10,000 bytes allowed"),
        ("MOST_BYTES", 10_000, "is longer than the .* bytes allowed"),
        ("MOST_FILES", 5, "holds 14 files, expected 5 at most"),
    ],
)
def test_a_download_is_bounded(memory, made, cache, monkeypatch, limit, value, words):
    publish(made["1.9.0"], "memory://team")
    monkeypatch.setattr(type(memory), "info", lambda self, path, **_: {"name": path, "size": 1, "type": "file"})
    monkeypatch.setattr(type(memory), "isfile", lambda self, path: path in self.store)
    monkeypatch.setattr(download, limit, value)
    refused(f"memory://team/1.9.0: .*{words}", fetch, "1.9.0", "memory://team")
    assert everything(cache) == {}
    if limit != "MOST_MANIFEST_BYTES":
        refused("too large to share|14 files", download.check_sizes, artifact_sizes(made["1.9.0"]), "a")


def test_a_registry_that_lists_the_files_of_another_is_refused(memory, made, monkeypatch, cache):
    publish(made["1.9.0"], "memory://team")
    monkeypatch.setattr(type(memory), "find", lambda self, path: ["/elsewhere/1.9.0/validation.zarr/alpha/c/0"])
    refused("which is not in it: it is not an artifact", fetch, "1.9.0", "memory://team")
    assert everything(cache) == {}


@pytest.mark.parametrize("text", [b"[]", b"{", b'{"a":' * 50_000, b'{"kind": "cat"}', b"\xff", b""])
def test_a_manifest_that_is_none_is_refused(memory, made, cache, text):
    publish(made["1.9.0"], "memory://team")
    memory.store["/team/1.9.0/manifest.json"] = type(memory.store["/team/1.9.0/manifest.json"])(
        memory, "/team/1.9.0/manifest.json", text
    )
    refused("^memory://team/1.9.0: ", fetch, "1.9.0", "memory://team")
    assert everything(cache) == {}
