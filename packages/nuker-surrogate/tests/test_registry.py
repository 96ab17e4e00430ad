import shutil

import fsspec
import pytest
from fsspec.registry import known_implementations
from nuker_surrogate import artifact, load_surrogate, registry
from nuker_surrogate.artifact import find_artifact
from nuker_surrogate.registry import fetch, publish, published_versions
from steelyard_schemas import ContractError


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
    assert "\n" not in str(error.value)


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


def test_names_that_lead_out_of_the_folder_are_refused(memory, made, cache):
    publish(made["1.9.0"], "memory://team")
    memory.store["/team/1.9.0/../../evil"] = memory.store["/team/1.9.0/weights.msgpack"]
    refused("it is not an artifact", fetch, "1.9.0", "memory://team")
    assert list(cache.rglob("*evil*")) == []


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
