import shutil

import fsspec
import pytest
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifacts import publish as publishing
from nuker_surrogate.artifacts.publish import publish
from nuker_surrogate.artifacts.remote import fetch, published_versions
from steelyard_schemas import validate

from .support import refused

pytestmark = pytest.mark.usefixtures("cache", "shipped")


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
        patch.setattr(publishing, "versions_in", lambda fs, root: ())
        publish(made["1.9.0"], url)
        refused("1.9.0: (exists already|another artifact)", publish, made["rival"], url)
        refused("1.9.0: exists already", publish, made["1.9.0"], url)
    assert load_surrogate("1.9.0", registry=url).manifest == load_surrogate(made["1.9.0"]).manifest


def test_nothing_is_left_of_a_failed_local_publication(tmp_path, made, monkeypatch):
    def full(path, data):
        raise OSError("no space left")

    monkeypatch.setattr(publishing, "_write", full)
    refused("no space left", publish, made["1.9.0"], tmp_path / "registry")
    assert list((tmp_path / "registry").iterdir()) == []


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
