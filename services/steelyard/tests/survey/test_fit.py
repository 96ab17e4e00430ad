"""A real survey from the command line: a worker killed while it samples, and the draws of an undisturbed fit."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import jax
import numpy as np
import pytest
from steelyard.commands.main import app
from steelyard.survey.identity import draws_hash
from steelyard_schemas import JobRecord, Posterior, read_model, read_store
from typer.testing import CliRunner

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="surveys need steelyard[survey]")
COMMAND = [sys.executable, "-m", "steelyard", "survey"]


@pytest.fixture
def sample(workplace, edit):
    """The toy galaxy, and one whose data are missing; checkpoints every second."""
    edit(workplace / "toy.toml", "checkpoint_s = 3600", "checkpoint_s = 1")
    (workplace / "sample.csv").write_text(
        "galaxy_file,name,data.path,log10_mbh_lit\ntoy.toml,,,8.95\ntoy.toml,Lost,nowhere.ms,8.0\n"
    )
    return workplace / "sample.csv"


def start(*arguments):
    environment = {
        **os.environ,
        # Programs that this session of tests has compiled already.
        "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
        # Ray packs up the working folder of a driver that uv started.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def sampling(folder):
    """Return the worker that samples from a checkpoint on disk, if there is one yet."""
    for path in folder.glob("galaxies/Toy-*/status.json"):
        told = json.loads(path.read_text())
        if told["stage"] in ("warmup", "sampling") and (path.parent / "checkpoint.npz").exists():
            return int(told["worker"].rpartition(":")[2])
    return None


@pytest.mark.slow
def test_a_survey_of_two_with_a_worker_killed(sample, finished, tmp_path):
    out = tmp_path / "out"
    driver = start("run", sample, "--out", out, "--workers", 2, "--against", "log10_mbh_lit")
    try:
        while (victim := sampling(out)) is None:
            assert driver.poll() is None, driver.communicate()
            time.sleep(0.1)
        state = json.loads(CliRunner().invoke(app, ["survey", "status", str(out), "--json"]).stdout)
        os.kill(victim, signal.SIGKILL)
        told, news = driver.communicate(timeout=400)
    finally:
        driver.kill()
    assert [row["name"] for row in state["at_work"]] == ["Toy"]
    assert f"process {driver.pid} on" in state["driver"]

    assert driver.returncode == 3, news  # one galaxy has failed
    assert "Toy: its worker was lost" in news
    assert "2 galaxies: 1 converged, 0 did not, 1 failed" in told
    record = read_model(next(out.glob("galaxies/Toy-*/record.json")), JobRecord)
    assert (record.status, record.attempts) == ("converged", 2)
    lost = read_model(next(out.glob("galaxies/Lost-*/record.json")), JobRecord)
    assert "nowhere.ms: no such file" in lost.reason

    undisturbed = read_store(finished.folder / "posterior.zarr", Posterior)
    found = read_store(next(out.glob("galaxies/Toy-*/posterior.zarr")), Posterior)
    np.testing.assert_array_equal(found["posterior/log10_mbh"], undisturbed["posterior/log10_mbh"])
    assert record.draws_hash == draws_hash(found) == draws_hash(undisturbed)
    page = (out / "report.html").read_text()
    assert "nowhere.ms: no such file" in page
    assert "log10_mbh_lit" in page
    assert next(out.glob("galaxies/Toy-*/report.html")).stat().st_size > 10_000

    status = CliRunner().invoke(app, ["survey", "status", str(out)])
    assert "driver: none" in status.stdout
    assert "Lost: " in status.stdout


@pytest.mark.slow
def test_no_ray_in_single_fits_and_help():
    script = (
        "import sys\nfrom steelyard.commands.main import app\nimport steelyard.fitting.run, steelyard.report\n"
        "sys.argv = ['steelyard', 'survey', 'run', '--help']\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print('LOADED', [m for m in ('ray', 'steelyard.cluster') if m in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("command", ["run", "resume", "status", "report", "relation"])
def test_every_survey_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, ["survey", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: steelyard survey {command}" in result.stdout


def test_what_is_wrong_is_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text("name,distance.mpc\nA,-1\nB,x\n")
    for arguments, words in (
        (["run", tmp_path / "bad.csv"], ("row 1 (A), column 'distance.mpc'", "row 2 (B), column 'distance.mpc'")),
        (["run", tmp_path / "none.csv"], ("none.csv: no such file",)),
        (["resume", tmp_path], ("holds no survey",)),
        (["status", tmp_path], ("holds no survey",)),
        (["report", tmp_path], ("holds no survey",)),
    ):
        result = CliRunner().invoke(app, ["survey", *map(str, arguments)])
        assert result.exit_code == 1
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert all(word in line for word in words), line
