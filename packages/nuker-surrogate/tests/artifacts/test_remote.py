import json
import shutil

import fsspec
import pytest
from fsspec.registry import known_implementations
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifacts import download
from nuker_surrogate.artifacts import files as artifact
from nuker_surrogate.artifacts import remote as registry
from nuker_surrogate.artifacts.files import find_artifact
from nuker_surrogate.artifacts.remote import fetch, publish, published_versions
from steelyard_schemas import ContractError, part_hash, validate


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_artifact):
    """Three artifacts, and another one that claims the version of the first."""
    root = tmp_path_factory.mktemp("made")
    folders = {version: write_artifact(root / version, version) for version in ("1.9.0", "1.10.0", "2.0.0")}
    return folders | {"rival": write_artifact(root / "rival", "1.9.0", seed=1)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch, write_artifact):
    """One shipped version, whatever the package ships."""
    monkeypatch.setattr(artifact, "SHIPPED", tmp_path / "shipped")
    return write_artifact(tmp_path / "shipped" / "1.0.0", "1.0.0")


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path, memory):
    return str(tmp_path / "registry") if request.param == "folder" else "memory://team/surrogates"


def refused(words, function, *arguments, **keywords):
    with pytest.raises(ContractError, match=words) as error:
        function(*arguments, **keywords)
    assert str(error.value).isprintable()


def test_what_is_published_is_what_is_fetched(url, made):
    assert published_versions(url) == ()
    for version in ("1.10.0", "2.0.0", "1.9.0"):
        assert publish(made[version], url) == version
    assert published_versions(url) == ("1.9.0", "1.10.0", "2.0.0")
    for version in ("1.9.0", "1.10.0"):
        surrogate = load_surrogate(version, registry=url)
        assert surrogate.manifest == load_surrogate(made[version]).manifest
        assert fetch(version, url).name == version
    assert load_surrogate(registry=url).version == "2.0.0"
    assert load_surrogate("latest", registry=url + "/").version == "2.0.0"


def test_a_published_version_never_changes(url, made):
    publish(made["1.9.0"], url)
    for again in (made["1.9.0"], made["rival"]):
        refused("surrogate 1.9.0: exists already in .* under a higher version", publish, again, url)
    assert load_surrogate("1.9.0", registry=url).manifest == load_surrogate(made["1.9.0"]).manifest


def test_a_shipped_version_cannot_be_published_as_another(url, shipped, tmp_path, write_artifact):
    other = write_artifact(tmp_path / "other", "1.0.0", seed=1)
    refused("1.0.0: exists already in this package", publish, other, url)
    assert publish(shipped, url) == "1.0.0"


def test_a_damaged_artifact_is_not_published(url, made, tmp_path):
    bad = shutil.copytree(made["1.9.0"], tmp_path / "bad")
    (bad / "weights.msgpack").write_bytes(b"")
    refused("altered or damaged", publish, bad, url)
    refused("is not a surrogate artifact", publish, tmp_path, url)
    assert published_versions(url) == ()


def test_nothing_is_seen_of_an_upload_without_manifest(url, made):
    publish(made["1.9.0"], url)
    fs, root = fsspec.url_to_fs(url)
    fs.rm(f"{root}/1.9.0/manifest.json")
    assert published_versions(url) == ()
    refused("1.9.0: is not in the registry", fetch, "1.9.0", url)


def test_an_upload_goes_on_where_it_was_cut_off(memory, made, monkeypatch):
    url, sent = "memory://cut", []
    pipe_file = type(memory).pipe_file

    def fail_at_last(self, path, value, **options):
        sent.append(path)
        if path.endswith("manifest.json"):
            raise ConnectionResetError("peer went away")
        pipe_file(self, path, value, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "pipe_file", fail_at_last)
        refused(
            r"memory://cut: the registry cannot be used \(ConnectionResetError: peer went away\)",
            publish,
            made["1.9.0"],
            url,
        )
    assert len(sent) > 2
    assert published_versions(url) == ()
    # The parts of the two would be mixed.
    refused("1.9.0: another artifact .* is being published in memory://cut", publish, made["rival"], url)
    assert publish(made["1.9.0"], url) == "1.9.0"
    assert load_surrogate("1.9.0", registry=url).version == "1.9.0"


def test_of_two_publishers_one_wins(url, made, monkeypatch):
    # The rival looks first, and publishes after the other has.
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_versions", lambda fs, root: ())
        publish(made["1.9.0"], url)
        refused("1.9.0: (exists already|another artifact)", publish, made["rival"], url)
        refused("1.9.0: exists already", publish, made["1.9.0"], url)
    assert load_surrogate("1.9.0", registry=url).manifest == load_surrogate(made["1.9.0"]).manifest


def test_nothing_is_left_of_a_failed_local_publication(tmp_path, made, monkeypatch):
    def full(path, data):
        raise OSError("no space left")

    monkeypatch.setattr(registry, "_write", full)
    refused("no space left", publish, made["1.9.0"], tmp_path / "registry")
    assert list((tmp_path / "registry").iterdir()) == []


def test_a_published_artifact_that_was_damaged_is_refused(url, made, cache):
    publish(made["1.9.0"], url)
    fs, root = fsspec.url_to_fs(url)
    path = f"{root}/1.9.0/weights.msgpack"
    data = bytearray(fs.cat_file(path))
    data[len(data) // 2] ^= 1
    fs.rm(path)
    fs.pipe_file(path, bytes(data))
    refused(r"/1\.9\.0: weights\.msgpack", load_surrogate, "1.9.0", registry=url)
    assert list(cache.rglob("weights.msgpack")) == []


def test_damage_to_the_cache_is_refused(memory, made):
    publish(made["1.9.0"], "memory://team")
    (fetch("1.9.0", "memory://team") / "weights.msgpack").write_bytes(b"")
    refused("altered or damaged", load_surrogate, "1.9.0", registry="memory://team")


def test_a_renamed_version_is_refused(tmp_path, made):
    publish(made["1.9.0"], tmp_path)
    (tmp_path / "1.9.0").rename(tmp_path / "3.0.0")
    refused("holds version 1.9.0, not 3.0.0", load_surrogate, "3.0.0", registry=tmp_path)


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


def part_hashes(folder):
    return json.loads((folder / "manifest.json").read_text())["files"]


@pytest.mark.parametrize("part", ["weights.msgpack", "validation.zarr", "validation.zarr/alpha/c/0", "manifest.json"])
def test_links_out_of_an_artifact_are_not_followed(url, made, tmp_path, part):
    bad = shutil.copytree(made["1.9.0"], tmp_path / "bad")
    (bad / part).rename(tmp_path / "outside")
    (bad / part).symlink_to(tmp_path / "outside")
    refused("is a link", publish, bad, url)
    refused("is a link", load_surrogate, bad)
    refused("is a link", validate, bad)
    assert published_versions(url) == ()


def test_an_artifact_and_a_registry_may_be_reached_by_links(made, tmp_path):
    (tmp_path / "artifact").symlink_to(made["1.9.0"])
    (tmp_path / "real").mkdir()
    (tmp_path / "registry").symlink_to(tmp_path / "real")
    assert publish(tmp_path / "artifact", tmp_path / "registry") == "1.9.0"
    assert load_surrogate("1.9.0", registry=tmp_path / "registry").version == "1.9.0"


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


def artifact_sizes(folder):
    return {path: len(data) for path, data in everything(folder).items() if path.name != "manifest.json"}


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


def test_versions_are_plain_digits(memory, made):
    publish(made["1.9.0"], "memory://team")
    for version in ("١.9.0", "1.9.0\n", f"1.{'9' * 5000}.0"):
        memory.store[f"/team/{version}/manifest.json"] = memory.store["/team/1.9.0/manifest.json"]
        with pytest.raises(ValueError, match="not a semantic version"):
            fetch(version, "memory://team")
    assert published_versions("memory://team") == ("1.9.0",)


def test_an_unknown_version_says_what_there_is(url, made):
    refused(r"9\.0\.0: is not in the registry .*; published: none; shipped: 1\.0\.0", fetch, "9.0.0", url)
    refused("holds no surrogate", load_surrogate, registry=url)
    publish(made["1.9.0"], url)
    publish(made["1.10.0"], url)
    refused(r"published: 1\.9\.0, 1\.10\.0; shipped: 1\.0\.0", load_surrogate, "9.0.0", registry=url)
    with pytest.raises(ValueError, match="not a semantic version"):
        fetch("../1.9.0", url)


def test_a_shipped_version_comes_first_and_a_path_needs_no_registry(made, shipped, monkeypatch):
    monkeypatch.setenv("STEELYARD_SURROGATES", "nothere://bucket")
    assert find_artifact("1.0.0") == shipped
    assert find_artifact(made["2.0.0"]) == made["2.0.0"]
    assert load_surrogate().version == "1.0.0"  # the environment must not change a fit


def test_the_environment_names_a_registry(url, made, monkeypatch):
    refused("registry: none is named: .* set STEELYARD_SURROGATES", publish, made["1.9.0"])
    refused("1.9.0: is not shipped; there is 1.0.0; name a registry", load_surrogate, "1.9.0")
    monkeypatch.setenv("STEELYARD_SURROGATES", url)
    publish(made["1.9.0"])
    assert published_versions() == ("1.9.0",)
    assert load_surrogate("1.9.0").version == "1.9.0"
    assert load_surrogate().version == "1.0.0"


def test_a_local_registry_is_used_in_place_and_a_remote_one_cached(tmp_path, memory, made, cache):
    for local in (tmp_path / "registry", f"file://{tmp_path}/other"):
        publish(made["1.9.0"], local)
        assert fetch("1.9.0", local).parent in (tmp_path / "registry", tmp_path / "other")
    assert not cache.exists()
    publish(made["1.9.0"], "memory://team")
    publish(made["rival"], "memory://rivals")
    first, second = fetch("1.9.0", "memory://team"), fetch("1.9.0", "memory://rivals")
    assert cache in first.parents
    assert first != second
    memory.store.clear()  # a cached version is not looked for again
    assert fetch("1.9.0", "memory://team/") == first
    assert [path.name for path in first.parent.iterdir()] == ["1.9.0"]  # nothing temporary is left


def test_another_process_may_fetch_at_the_same_time(memory, made, monkeypatch):
    publish(made["1.9.0"], "memory://team")
    check = registry._check

    def be_slow(folder, where):
        monkeypatch.setattr(registry, "_check", check)
        fetch("1.9.0", "memory://team")  # the other process, which is done first
        check(folder, where)

    monkeypatch.setattr(registry, "_check", be_slow)
    folder = fetch("1.9.0", "memory://team")
    assert load_surrogate(folder).version == "1.9.0"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_missing_package_is_named(made, monkeypatch):
    monkeypatch.setitem(known_implementations, "nothere", {"class": "notherefs.FileSystem"})
    words, url = "nothere://bucket: needs another package: pip install notherefs", "nothere://bucket"
    for function, arguments in ((publish, (made["1.9.0"],)), (fetch, ("1.9.0",)), (published_versions, ())):
        refused(words, function, *arguments, url)
    refused("the registry cannot be used .*Protocol not known", published_versions, "notaprotocol://x")
