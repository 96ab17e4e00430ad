import fsspec
import pytest
from fsspec.registry import known_implementations
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifacts import remote
from nuker_surrogate.artifacts.open import find_artifact
from nuker_surrogate.artifacts.publish import publish
from nuker_surrogate.artifacts.remote import fetch, published_versions

from .support import refused

pytestmark = pytest.mark.usefixtures("cache", "shipped")


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
    refused("1.9.0: is not shipped; shipped versions: 1.0.0; for others name a registry", load_surrogate, "1.9.0")
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
    check = remote._check

    def be_slow(folder, where):
        monkeypatch.setattr(remote, "_check", check)
        fetch("1.9.0", "memory://team")  # the other process, which is done first
        check(folder, where)

    monkeypatch.setattr(remote, "_check", be_slow)
    folder = fetch("1.9.0", "memory://team")
    assert load_surrogate(folder).version == "1.9.0"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_missing_package_is_named(made, monkeypatch):
    monkeypatch.setitem(known_implementations, "nothere", {"class": "notherefs.FileSystem"})
    words, url = "nothere://bucket: needs another package: pip install notherefs", "nothere://bucket"
    for function, arguments in ((publish, (made["1.9.0"],)), (fetch, ("1.9.0",)), (published_versions, ())):
        refused(words, function, *arguments, url)
    refused("the registry cannot be used .*Protocol not known", published_versions, "notaprotocol://x")
