"""Atomic writes through crashes: on disk before they are seen, and swept when their process has died."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from steelyard_schemas import ContractError, atomic_path

DIES = """
import os, sys
from pathlib import Path
from steelyard_schemas import atomic_path, atomic
target, when = Path(sys.argv[1]), sys.argv[2]
if when == "between":
    rename = Path.rename
    Path.rename = lambda self, to: os._exit(9) if self.name.endswith(".new") else rename(self, to)
with atomic_path(target, overwrite=True) as temporary:
    temporary.mkdir()
    (temporary / "new").touch()
    if when == "within":
        os._exit(9)
"""


def die(target, when):
    """Write a folder in a process that is killed; return what it leaves beside the target."""
    done = subprocess.run([sys.executable, "-c", DIES, str(target), when], check=False)
    assert done.returncode == 9
    return sorted(p.name for p in target.parent.iterdir() if p != target)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """Machine, process and token in the name of what a killed process left of a folder "a"."""
    (name,) = die(tmp_path_factory.mktemp("killed") / "a", "within")
    return name.removeprefix(".a.").removesuffix(".new").split("-")


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_a_killed_process_left_is_swept_by_the_next_that_writes_the_same(tmp_path, left, overwrite):
    folder = tmp_path / f".a.{'-'.join(left)}.new"
    folder.mkdir()
    (folder / "new").touch()
    with atomic_path(tmp_path / "b", overwrite=overwrite) as temporary:
        temporary.touch()
    assert folder.exists()
    with atomic_path(tmp_path / "a", overwrite=overwrite) as temporary:
        assert not folder.exists()
        temporary.touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_an_old_folder_without_a_new_one_comes_back(tmp_path):
    target = tmp_path / "a"
    target.mkdir()
    (target / "old").touch()
    assert len(die(target, "between")) == 2
    assert not target.exists()
    with pytest.raises(ContractError, match="exists already"), atomic_path(target, overwrite=False):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (target / "old").exists()


def test_what_may_be_in_use_is_left_alone(tmp_path, left):
    machine, number, token = left
    kept = [
        f".a.{machine}-{os.getppid()}-{token}.new",  # alive
        f".a.{'0' * len(machine)}-{number}-{token}.new",  # on another machine
        f".ab.{machine}-{number}-{token}.new",  # of another target
        ".a.b.new",
    ]
    for name in kept:
        (tmp_path / name).touch()
    with atomic_path(tmp_path / "a", overwrite=True) as mine, atomic_path(tmp_path / "a", overwrite=True) as other:
        assert mine != other
        mine.touch()
        other.touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, "a"])


def test_a_number_that_this_process_has_too_protects_nothing(tmp_path, left):
    # In a container every first process has number 1.
    machine, _, token = left
    (tmp_path / f".a.{machine}-{os.getpid()}-{token}.new").touch()
    with atomic_path(tmp_path / "a", overwrite=True) as temporary:
        temporary.touch()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc to name an open file by its number")
def test_all_is_on_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    events = []
    sync, replace = os.fsync, Path.replace

    def note_sync(number):
        events.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
        sync(number)

    def note_replace(self, to):
        events.append("replace")
        return replace(self, to)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    with atomic_path(tmp_path / "a", overwrite=False) as temporary:
        name = temporary.name
        (temporary / "sub").mkdir(parents=True)
        (temporary / "sub" / "file").write_text("1")
    assert events == ["file", name, "sub", "replace", tmp_path.name]


def test_a_folder_that_came_meanwhile_stays(tmp_path):
    def write():
        with atomic_path(tmp_path / "a", overwrite=False) as temporary:
            temporary.mkdir()
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "theirs").touch()

    with pytest.raises(ContractError, match="exists already"):
        write()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "theirs").exists()
