"""tools/lock.py: the tracked lock names versions and no addresses."""

import importlib.util
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]

FULL = """\
version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "alpha"
version = "1.2.3"
source = { registry = "https://mirror.example/simple" }
dependencies = [
    { name = "beta" },
]
sdist = { url = "https://mirror.example/alpha.tar.gz", hash = "sha256:00", size = 1 }
wheels = [
    { url = "https://mirror.example/alpha-1.whl", hash = "sha256:01", size = 2 },
    { url = "https://mirror.example/alpha-2.whl", hash = "sha256:02", size = 3 },
]

[[package]]
name = "beta"
version = "0.4"
source = { editable = "packages/beta" }
dependencies = [
    { name = "alpha" },
]

[package.metadata]
requires-dist = [
    { name = "alpha", specifier = ">=1" },
]

[package.metadata.requires-dev]
dev = [{ name = "gamma", specifier = ">=2" }]

[[package]]
name = "gamma"
version = "2.0"
source = { registry = "https://mirror.example/simple" }
"""


@pytest.fixture(scope="module")
def lock():
    spec = importlib.util.spec_from_file_location("steelyard_tools_lock", ROOT / "tools" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_strip_drops_addresses_and_keeps_versions(lock):
    stripped = lock.strip(FULL)
    assert "://" not in stripped
    assert "sha256" not in stripped
    assert "metadata" not in stripped
    assert lock.pins(stripped) == lock.pins(FULL) == {"alpha==1.2.3", "beta==0.4", "gamma==2.0"}
    assert 'source = { editable = "packages/beta" }' in stripped
    assert stripped.count("dependencies = [") == 2


def test_strip_is_idempotent(lock):
    once = lock.strip(FULL)
    assert lock.strip(once) == once
    ours = lock.strip((ROOT / "uv.lock").read_text())
    assert "://" not in ours
    assert lock.strip(ours) == ours


WORKING = """\
version = 1

[[package]]
name = "alpha"
version = "1.2.3"
source = {{ registry = "https://mirror.example/simple" }}
sdist = {{ url = "https://mirror.example/alpha-1.2.3.tar.gz", hash = "sha256:{0}" }}
wheels = [
    {{ url = "https://mirror.example/alpha-1.2.3-py3-none-win32.whl", hash = "sha256:{1}" }},
    {{ url = "https://mirror.example/alpha-1.2.3-py3-none-any.whl", hash = "sha256:{2}" }},
]

[[package]]
name = "beta"
version = "0.4"
source = {{ editable = "packages/beta" }}
"""
A, B, C, D = (letter * 64 for letter in "abcd")
REQUIREMENTS = f"alpha==1.2.3 ; python_version < '3.14' \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"


def test_the_hash_of_the_file_in_use_must_be_known(lock):
    tracked = lock.strip(WORKING.format(A, C, B))
    assert "sha256" not in tracked
    assert lock.hashes(REQUIREMENTS) == {"alpha==1.2.3": {A, B}}
    # Of a wheel for another system, or of one that came later, nothing need be known; nor where uv filled nothing in.
    for working in (WORKING.format(A, C, B), WORKING.format(D, C, A), tracked):
        assert lock.hash_problems(tracked, REQUIREMENTS, working) == []
    (problem,) = lock.hash_problems(tracked, REQUIREMENTS, WORKING.format(A, B, C))
    assert "alpha==1.2.3" in problem
    assert "alpha-1.2.3-py3-none-any.whl" in problem
    assert "whose hash is not in requirements.lock" in problem


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ("", "pins others than uv.lock (alpha==1.2.3)"),
        (REQUIREMENTS.replace("1.2.3", "1.2.4"), "pins others than uv.lock (alpha==1.2.3, alpha==1.2.4)"),
        (REQUIREMENTS + f"gamma==1 --hash=sha256:{A}\n", "pins others than uv.lock (gamma==1)"),
        ("alpha==1.2.3\n", "holds no hash of alpha==1.2.3"),
        ("--index-url https://mirror.example\n" + REQUIREMENTS, "holds an address"),
    ],
)
def test_hashes_that_do_not_go_with_the_lock_are_found(lock, requirements, words):
    tracked = lock.strip(WORKING.format(A, C, B))
    assert any(words in problem for problem in lock.hash_problems(tracked, requirements, tracked))


def test_ours_hold_every_hash_and_one_uv_that_serves(lock):
    requirements = (ROOT / "requirements.lock").read_text()
    assert lock.hash_problems(lock.strip((ROOT / "uv.lock").read_text()), requirements, "") == []
    ((pin, found),) = lock.hashes((ROOT / ".ci" / "uv.txt").read_text()).items()
    name, version = pin.split("==")
    assert name == "uv"
    # A newcomer's `pip install uv` gives a later one, which the project must take as well.
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["required-version"]
    assert SpecifierSet(required).contains(version)
    assert SpecifierSet(required).contains("99.0")
    assert len(found) > 10  # a wheel for every platform


@pytest.fixture
def repository(tmp_path, lock, monkeypatch):
    """A repository of one project without dependencies, its lock tracked and current; no index is asked."""

    def write_project(version):
        text = f'[project]\nname = "toy"\nversion = "{version}"\nrequires-python = ">=3.12"\n'
        (tmp_path / "pyproject.toml").write_text(text)

    write_project("1.0")
    (tmp_path / ".python-version").write_text("3.12\n")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    monkeypatch.setenv("UV_OFFLINE", "1")
    subprocess.run(["uv", "lock", "--quiet"], cwd=tmp_path, check=True, capture_output=True)
    lock.export()
    for command in (["git", "init", "-q"], ["git", "add", "uv.lock", "requirements.lock"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path, write_project


def test_check_passes_a_current_lock(lock, repository):
    assert lock.check() == []


def test_check_finds_an_outdated_lock(lock, repository):
    _, write_project = repository
    write_project("2.0")
    (problem,) = lock.check()
    assert "out of date" in problem
    assert "toy==2.0" in problem


def test_check_finds_an_address(lock, repository):
    folder, _ = repository
    with (folder / "uv.lock").open("a") as file:
        file.write("# https://mirror.example\n")
    subprocess.run(["git", "add", "uv.lock"], cwd=folder, check=True)
    assert any("holds addresses" in problem for problem in lock.check())


def test_check_finds_untracked_hashes(lock, repository):
    folder, _ = repository
    subprocess.run(["git", "rm", "-q", "--cached", "requirements.lock"], cwd=folder, check=True)
    (problem,) = lock.check()
    assert "requirements.lock is not tracked" in problem


def test_check_finds_an_untracked_lock(lock, repository):
    folder, _ = repository
    subprocess.run(["git", "rm", "-q", "--cached", "uv.lock"], cwd=folder, check=True)
    assert lock.check() == ["uv.lock is not tracked: `git add uv.lock`"]
