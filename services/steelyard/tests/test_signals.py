"""A hang-up or SIGTERM in the middle of any write: no half result under its name, one line, 128 + n, and on again."""

import os
import shutil
import signal

import numpy as np
import pytest
import steelyard_schemas.atomic
from steelyard.commands.main import app
from steelyard_schemas import Posterior, Visibilities, read_store
from typer.testing import CliRunner

ARRAY = "# observatory=ALMA\n# coordsys=LOC\n" + "".join(
    f"{x} {y} 0 12.0 A{i}\n" for i, (x, y) in enumerate([(0, 0), (30, 5), (-20, 40), (60, -35)])
)
SIMULATE = ["simulate", "toy.toml", "--antennas", "array.cfg", "--noise-jy", "0.1"]
SIMULATE += ["--channels", "8", "--hours", "0.1"]
TRAIN = ["surrogate", "train", "new", "--head", "linear", "--linear-examples", "200", "--points", "4"]


@pytest.fixture
def stopped_at(monkeypatch):
    """Return a function that runs a command, and signals as it is about to give a file or folder its name."""

    def run(number, name, *arguments):
        write_through = steelyard_schemas.atomic._sync

        def signalled(path):
            if path.name.startswith(f".{name}."):
                assert signal.getsignal(number) is not signal.SIG_DFL, "it would end this process"
                os.kill(os.getpid(), number)
            write_through(path)

        with monkeypatch.context() as patch:
            patch.setattr(steelyard_schemas.atomic, "_sync", signalled)
            result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 128 + number, result.output
        assert result.stderr.splitlines()[-1].startswith(f"error: stopped by {signal.Signals(number).name}: ")
        assert "Traceback" not in result.stderr
        return result

    return run


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["simulate", "grid", "report"])
def test_a_command_that_writes_one_thing(command, number, stopped_at, workplace, finished, monkeypatch):
    monkeypatch.chdir(workplace)
    (workplace / "array.cfg").write_text(ARRAY)
    shutil.copytree(finished.folder, workplace / "out")
    before = (workplace / "out" / "report.html").read_bytes()
    target, arguments = {
        "simulate": ("new.zarr", [*SIMULATE, "-o", "new.zarr"]),
        "grid": ("new.zarr", ["grid", "toy.zarr", "-o", "new.zarr", "--cell-arcsec", "0.25", "--npix", "24"]),
        "report": ("report.html", ["report", "out"]),
    }[command]
    there = names(workplace), names(workplace / "out")
    stopped_at(number, target, *arguments)
    assert (names(workplace), names(workplace / "out")) == there
    assert (workplace / "out" / "report.html").read_bytes() == before
    if command == "simulate":
        assert CliRunner().invoke(app, arguments).exit_code == 0
        read_store(workplace / target, Visibilities)


@pytest.mark.parametrize("name", ["gridded.zarr", "run.json"])
def test_a_fit_before_its_chains(name, stopped_at, workplace):
    out = workplace / "out"
    stopped_at(signal.SIGTERM, name, "fit", workplace / "toy.toml", "-o", out)
    left = names(out) if out.exists() else set()
    assert left <= {"gridded.zarr", "run.json"} - {name}


@pytest.mark.slow
def test_a_fit_that_writes_its_posterior_leaves_a_whole_one(stopped_at, workplace, finished, edit):
    out = workplace / "out"
    shutil.copytree(finished.folder, out)
    edit(workplace / "toy.toml", "max_steps = 2000", "max_steps = 100")
    before, there = read_store(out / "posterior.zarr", Posterior), names(out)
    stopped_at(signal.SIGHUP, "posterior.zarr", "fit", workplace / "toy.toml", "-o", out)
    after = read_store(out / "posterior.zarr", Posterior)  # the one before, or the finished part of the chains
    for name, values in before.arrays.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)
    assert names(out) == there


def test_training_of_a_surrogate(stopped_at, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stopped_at(signal.SIGTERM, "new", *TRAIN)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*"))
