"""One process at a time in a folder: who holds it is named, the dead lose it, and fit, report and compare ask."""

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import steelyard.fitting.run
from steelyard import fit
from steelyard.commands.main import app
from steelyard.fitting.folder import RunFolder
from steelyard.fitting.run import default_folder
from steelyard.lease import LOCK_FILE, check_lease, fit_lease, owner_of
from steelyard_schemas import ContractError, sweep
from typer.testing import CliRunner

HOLD = """
import sys
from pathlib import Path
from steelyard.lease import fit_lease
with fit_lease(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder():
    """Return a function that lets another process hold a folder; it dies without letting go of it when told."""
    running = []

    def hold(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in running:
        process.kill()
        process.communicate()


def marker(folder, **changed):
    """Write a lock file as filelock does."""
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "mode": "lease", "token": "0" * 32, "duration": 60.0}
    lines = [f"{name}={value}" for name, value in (facts | changed).items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK_FILE).write_text("\n".join(["filelock/2", *lines]) + "\n")


def test_the_second_is_refused_with_host_process_and_since_when(holder, tmp_path):
    before = datetime.now(UTC).replace(microsecond=0)
    first = holder(tmp_path / "out")
    with pytest.raises(ContractError, match="is in use by process") as refused, fit_lease(tmp_path / "out"):
        pass
    words = str(refused.value)
    assert f"process {first.pid} on {socket.gethostname()} since " in words
    since = datetime.fromisoformat(words.split(" since ")[1].split(": wait")[0])
    assert before <= since <= datetime.now(UTC)
    first.kill()  # it dies holding the lease, which falls at once
    first.wait()
    assert (tmp_path / "out" / LOCK_FILE).exists()
    assert owner_of(tmp_path / "out" / LOCK_FILE) is None
    with fit_lease(tmp_path / "out"):
        pass
    assert not (tmp_path / "out" / LOCK_FILE).exists()


def test_a_lock_that_a_killed_process_had_put_aside_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, running = (tmp_path / f"{LOCK_FILE}.break.{pid}.{'0a' * 16}" for pid in (gone.pid, os.getppid()))
    dead.touch()
    running.touch()
    with fit_lease(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [running]


def test_a_process_number_in_use_again_holds_nothing(tmp_path):
    marker(tmp_path, start=1)
    assert owner_of(tmp_path / LOCK_FILE) is None
    with fit_lease(tmp_path):
        assert f"process {os.getpid()} on" in owner_of(tmp_path / LOCK_FILE)


def test_of_another_host_nobody_knows_who_has_died(tmp_path):
    marker(tmp_path, host="elsewhere", pid=7)
    with pytest.raises(ContractError, match=r"process 7 on elsewhere.*try again in 60 s"), fit_lease(tmp_path):
        pass


def test_what_a_command_holds_its_functions_need_not_wait_for(tmp_path):
    refused = []

    def other():
        try:
            with fit_lease(tmp_path / "a" / "b"):
                pass
        except ContractError as error:
            refused.append(str(error))

    with fit_lease(tmp_path / "a" / "b") as outer, fit_lease(tmp_path / "a" / "b") as inner:
        assert inner is outer
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "is in use by process" in refused[0]
    assert list(tmp_path.iterdir()) == []  # folders made for it are gone


def test_a_lost_lease_stops_its_holder(tmp_path):
    check_lease(SimpleNamespace(compromise=None), tmp_path)
    check_lease(None, tmp_path)
    with pytest.raises(ContractError, match="taken over by another process"):
        check_lease(SimpleNamespace(compromise="owner-changed"), tmp_path)


def test_what_killed_runs_left_is_swept_and_what_they_moved_aside_comes_back(tmp_path):
    for name in (".posterior.zarr.0123abcd-7-0a1b2c.new", ".gridded.zarr.0123abcd-7-0a1b2c.old", ".notes.new"):
        (tmp_path / name).mkdir()
    (tmp_path / ".run.json.0123abcd-8-0a1b2c.new").write_text("half")
    (tmp_path / ".checkpoint.npz.0123abcd-9-0a1b2c.old").write_text("old")
    (tmp_path / "checkpoint.npz").write_text("new")
    sweep(tmp_path, alone=True)
    assert {path.name for path in tmp_path.iterdir()} == {"gridded.zarr", ".notes.new", "checkpoint.npz"}
    assert (tmp_path / "checkpoint.npz").read_text() == "new"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE}


def test_fit_report_and_compare_are_refused_and_touch_nothing(workplace, holder):
    out = workplace / "out"
    (out / "posterior.zarr").mkdir(parents=True)
    for name in ("run.json", "checkpoint.npz"):
        (out / name).write_text("{}")
    holder(out)
    (out / ".checkpoint.npz.0123abcd-8-0a1b2c.new").write_text("of the running fit")
    before = contents(out)
    for command in (
        ["fit", str(workplace / "toy.toml"), "-o", str(out)],
        ["fit", str(workplace / "toy.toml"), "-o", str(out), "--restart"],
        ["report", str(out)],
        ["compare", str(out)],
        ["compare", "--models", str(workplace / "toy.toml"), "-o", str(out)],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 1, command
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: {out}: is in use by process"), line
        assert contents(out) == before


def test_two_galaxy_files_of_one_name_do_not_share_a_folder(workplace):
    other = workplace / "other.toml"
    other.write_text((workplace / "toy.toml").read_text().replace("toy.zarr", "none.zarr"))
    run = RunFolder(workplace / "Toy-fit")
    run.keep_galaxy_file(workplace / "toy.toml")
    assert json.loads((run.path / "run.json").read_text())["galaxy_file"] == "../toy.toml"
    for options in ([], ["--restart"]):
        result = CliRunner().invoke(app, ["fit", str(other), *options])
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"belongs to {workplace / 'toy.toml'}" in line
        assert "--out" in line
    with pytest.raises(ContractError, match=r"none\.zarr: no such file"):
        fit(other, run.path)  # named on purpose
    (workplace / "toy.toml").unlink()  # renamed, as far as anybody can tell
    with pytest.raises(ContractError, match=r"none\.zarr: no such file"):
        fit(other)


def test_without_a_start_nothing_stays(workplace, monkeypatch):
    def nowhere(*_):
        raise ValueError("no start has a finite log-density and gradient")

    monkeypatch.setattr(steelyard.fitting.run, "search_mode", nowhere)
    before = sorted(workplace.iterdir())
    with pytest.raises(ContractError, match=r"Toy: cannot be fitted: no start has a finite.*\[priors\]"):
        fit(workplace / "toy.toml", workplace / "deep" / "out")
    assert sorted(workplace.iterdir()) == before


def test_a_name_too_long_for_a_folder(toy, tmp_path):
    with pytest.raises(ContractError, match="too long a name for a folder: choose a folder with --out"):
        default_folder(toy.model_copy(update={"name": "N" * 400}), tmp_path)
