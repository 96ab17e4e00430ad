"""What a run meets on its way: a full disk, files that go, clocks set back, other machines' locks, no home."""

import errno
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np
import pytest
import sampler.chains.checkpoint
import steelyard.fitting.run
import steelyard.lease
import steelyard_schemas.atomic
from steelyard import fit
from steelyard.commands.main import app
from steelyard.fitting.demo import unpack_demo
from steelyard.fitting.folder import RunFolder
from steelyard.lease import LOCK_FILE, fit_lease, owner_of
from steelyard_schemas import ContractError, Posterior, read_store, validate
from typer.testing import CliRunner

from .fitting.test_resume import assert_same_draws
from .test_lease import marker

ALIVE = """
import os, sys, time
while True:
    seen = time.time() - int(sys.argv[2])
    os.utime(sys.argv[1], (seen, seen))
    time.sleep(0.05)
"""


@pytest.fixture
def out(workplace, finished):
    """A copy of the finished fit, to break."""
    shutil.copytree(finished.folder, workplace / "out")
    return workplace / "out"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def stamps(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


# A disk that is full


@pytest.fixture
def full_at(monkeypatch):
    """Return a function that makes the disk full as a file or folder of this name is about to be whole."""
    write_through, replace_file = steelyard_schemas.atomic._sync, sampler.chains.checkpoint.replace_file

    def fill(name):
        def full(path):
            if path.name.startswith(f".{name}."):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write_through(path)

        def full_checkpoint(path, write):
            def cut(file):
                write(file)
                if path.name == name:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            replace_file(path, cut)

        monkeypatch.setattr(steelyard_schemas.atomic, "_sync", full)
        monkeypatch.setattr(sampler.chains.checkpoint, "replace_file", full_checkpoint)

    return fill


@pytest.mark.parametrize("name", ["gridded.zarr", "run.json"])
def test_a_disk_full_before_the_chains(name, full_at, workplace):
    full_at(name)
    result = run("fit", workplace / "toy.toml", "-o", workplace / "out")
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: no space left to write (")
    assert "free some space, then run the same command again" in line
    assert not list(workplace.rglob(".*.new"))
    assert not list(workplace.rglob(f"*/{name}"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["checkpoint.npz", "posterior.zarr"])
def test_a_disk_that_fills_during_a_fit_and_is_freed(name, full_at, workplace, out, edit, monkeypatch):
    edit(workplace / "toy.toml", "target_ess = 400", "target_ess = 1e6")
    steps = read_store(out / "posterior.zarr", Posterior)["posterior/log10_mbh"].shape[1] + 10
    edit(workplace / "toy.toml", "max_steps = 2000", f"max_steps = {steps}")
    before = stamps(out)
    full_at(name)
    result = run("fit", workplace / "toy.toml", "-o", out)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith("error: no space left to write (")
    kept = stamps(out)
    assert kept[(out / name).relative_to(out)] == before[(out / name).relative_to(out)]
    assert kept.keys() == before.keys()
    monkeypatch.undo()  # space is made
    longer = fit(workplace / "toy.toml", out)
    assert longer["posterior/log10_mbh"].shape[1] == steps
    first = read_store(workplace / "out" / "posterior.zarr", Posterior)["posterior/log10_mbh"]
    np.testing.assert_array_equal(first[:, : steps - 10], longer["posterior/log10_mbh"][:, : steps - 10])


def test_a_small_disk(workplace, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(small)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        result = run("grid", workplace / "toy.zarr", "--cell-arcsec", "0.25", "--npix", "64", "-o", small / "g.zarr")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1].startswith("error: no space left to write (")
        assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


# Files that go


def test_galaxy_file_data_and_grid_go_while_the_chains_run(workplace, out, edit, monkeypatch):
    edit(workplace / "toy.toml", "max_steps = 2000", "max_steps = 100")
    sample = steelyard.fitting.run.sample

    def sample_without(*arguments, **options):
        (workplace / "toy.toml").unlink()
        shutil.rmtree(workplace / "toy.zarr")
        shutil.rmtree(out / "gridded.zarr")
        return sample(*arguments, **options)

    monkeypatch.setattr(steelyard.fitting.run, "sample", sample_without)
    result = run("fit", workplace / "toy.toml", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "log10(M_BH / Msun)" in result.stdout
    assert "warning: the report was not written" in result.stderr
    assert "gridded.zarr" in result.stderr
    validate(out / "posterior.zarr")


@pytest.mark.slow
def test_a_finished_fit_is_shown_after_its_data_have_moved(workplace, out, finished):
    shutil.rmtree(workplace / "toy.zarr")
    result = run("fit", workplace / "toy.toml", "-o", out)
    assert result.exit_code == 0, result.stderr
    moved = f"{workplace / 'toy.zarr'} no longer exists: using the gridded data in {out / 'gridded.zarr'}"
    assert moved in result.stderr
    assert f"already finished: {out / 'posterior.zarr'}" in result.stderr
    assert "log10(M_BH / Msun)" in result.stdout


def test_data_that_have_moved_serve_no_other_fit(workplace, out, edit):
    shutil.rmtree(workplace / "toy.zarr")
    edit(workplace / "toy.toml", "cell_arcsec = 0.25", "cell_arcsec = 0.2")
    with pytest.raises(ContractError, match="holds a fit of other inputs"):
        fit(workplace / "toy.toml", out)
    with pytest.raises(ContractError, match=r"toy\.zarr: no such file"):
        fit(workplace / "toy.toml", workplace / "new")
    assert not (workplace / "new").exists()


# Killed while something is thrown away, or unpacked


def test_an_empty_folder_is_no_obstacle(workplace):
    for name in ("g.zarr", "out", "out/posterior.zarr"):
        (workplace / name).mkdir()
    result = run("grid", workplace / "toy.zarr", "--cell-arcsec", "0.25", "--npix", "24", "-o", workplace / "g.zarr")
    assert result.exit_code == 0, result.stderr
    validate(workplace / "g.zarr")
    assert RunFolder(workplace / "out").is_begun is False
    again = run("grid", workplace / "toy.zarr", "--cell-arcsec", "0.25", "--npix", "24", "-o", workplace / "g.zarr")
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_restart_that_is_killed_leaves_nothing_half_removed(out, monkeypatch):
    def killed(path):
        raise SystemExit(9)

    monkeypatch.setattr(steelyard_schemas.atomic, "_remove", killed)
    with pytest.raises(SystemExit):
        RunFolder(out).clear()
    monkeypatch.undo()
    assert not (out / "posterior.zarr").exists()
    validate(out / "gridded.zarr")
    with fit_lease(out):  # sweeps
        pass
    assert not list(out.glob(".*"))


def test_an_example_that_was_half_unpacked_does_not_pass_for_whole(tmp_path, monkeypatch):
    def killed(_source, target):
        target.mkdir()
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", killed)
        with pytest.raises(SystemExit):
            unpack_demo(tmp_path)
    unpack_demo(tmp_path)
    validate(tmp_path / "mock_ngc4697_grid.zarr")


# Leases


def test_a_fit_without_progress_asks_for_its_lease_too(toy_file, tmp_path, monkeypatch):
    def lost(lease, folder):
        raise ContractError(folder, "was taken over by another process")

    monkeypatch.setattr(steelyard.fitting.run, "check_lease", lost)
    monkeypatch.setattr(
        steelyard.fitting.run, "_fit", lambda _model, _problem, _folder, progress, _note: progress(None)
    )
    with pytest.raises(ContractError, match="taken over by another process"):
        fit(toy_file, tmp_path / "out")


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_another_machine_that_is_gone_loses_its_folder_after_a_watch(tmp_path, monkeypatch):
    monkeypatch.setattr(steelyard.lease, "LEASE_S", 0.4)
    marker(tmp_path, host="elsewhere", pid=7, duration=0.4)
    age(tmp_path / LOCK_FILE, 3600)
    assert owner_of(tmp_path / LOCK_FILE) == "process 7 on elsewhere, silent for 60 min"
    with (
        pytest.warns(UserWarning, match="held by process 7 on elsewhere.*: watching for"),
        fit_lease(tmp_path) as held,
    ):
        assert held.is_locked


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["this clock is ahead", "this clock was set back"])
def test_another_machine_that_lives_keeps_its_folder_whatever_the_clocks_say(seconds, tmp_path, monkeypatch):
    monkeypatch.setattr(steelyard.lease, "LEASE_S", 0.4)
    marker(tmp_path, host="elsewhere", pid=7, duration=0.4)
    other = subprocess.Popen([sys.executable, "-c", ALIVE, str(tmp_path / LOCK_FILE), str(seconds)])
    try:
        age(tmp_path / LOCK_FILE, seconds)
        time.sleep(0.3)
        with (
            pytest.warns(UserWarning, match="watching"),
            pytest.raises(ContractError, match="process 7 on elsewhere"),
            fit_lease(tmp_path),
        ):
            pass
    finally:
        other.kill()
        other.wait()


def test_a_lease_of_a_process_that_died_in_the_future_falls_too(tmp_path):
    marker(tmp_path, start=1)
    age(tmp_path / LOCK_FILE, -86_400)
    assert owner_of(tmp_path / LOCK_FILE) is None
    with fit_lease(tmp_path):
        assert "silent" not in owner_of(tmp_path / LOCK_FILE)


# A clock that is set back


def test_a_fit_goes_on_after_the_clock_was_set_back(workplace, out, finished):
    for path in out.rglob("*"):
        age(path, -86_400)  # all of it was written tomorrow
    told = []
    again = fit(workplace / "toy.toml", out, note=told.append)
    assert any("already finished" in line for line in told)
    assert_same_draws(again, read_store(finished.folder / "posterior.zarr", Posterior))
    assert datetime.fromisoformat(again.manifest.created_utc) <= datetime.now(UTC)


# No home, and no folder for caches


@pytest.mark.slow
def test_without_a_home_and_a_cache(workplace, out):
    (workplace / "file").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX", "XDG", "MPL"))}
    nowhere = str(workplace / "file" / "home")  # root may write anywhere, but not below a file
    environment |= {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "XDG_CONFIG_HOME": nowhere}
    done = subprocess.run(
        [sys.executable, "-m", "steelyard", "report", str(out)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out / "report.html")
    assert "Traceback" not in done.stderr
    shown = run("fit", workplace / "toy.toml", "-o", out)
    assert shown.exit_code == 0


# Long names


@pytest.mark.parametrize("length", [250, 400])
def test_long_names_get_one_line(length, workplace, edit):
    name = "n" * length
    edit(workplace / "toy.toml", 'name = "Toy"', f'name = "{name}"')
    grid = ["grid", workplace / "toy.zarr", "--cell-arcsec", "0.25", "--npix", "24", "-o", workplace / name]
    for arguments in (["fit", workplace / "toy.toml"], ["fit", workplace / name], grid, ["report", workplace / name]):
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "Traceback" not in result.stderr
    assert {path.name for path in workplace.iterdir()} == {"toy.toml", "toy.zarr"}
