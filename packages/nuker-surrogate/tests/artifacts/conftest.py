import shutil

import fsspec
import pytest
from nuker_surrogate.artifacts import remote, versions
from nuker_surrogate.artifacts.open import find_artifact


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(find_artifact(), tmp_path / "copy")


@pytest.fixture(scope="session")
def made(tmp_path_factory, write_artifact):
    """Three artifacts, and another one that claims the version of the first."""
    root = tmp_path_factory.mktemp("made")
    folders = {version: write_artifact(root / version, version) for version in ("1.9.0", "1.10.0", "2.0.0")}
    return folders | {"rival": write_artifact(root / "rival", "1.9.0", seed=1)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture
def shipped(tmp_path, monkeypatch, write_artifact):
    """One shipped version, whatever the package ships."""
    monkeypatch.setattr(versions, "SHIPPED", tmp_path / "shipped")
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
