"""A cluster of several Ray nodes on this machine, and what is left when parts of it die."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec

import numpy as np
import pytest
from steelyard.cluster.run import run_survey
from steelyard.survey.folder import SurveyFolder
from steelyard.survey.lock import driver_of
from steelyard_schemas import ContractError, Posterior, read_store

from ..support.nodes import SUPPORT, Nodes, until

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="surveys need steelyard[survey]")
N_GALAXIES = 8


class Listener:
    """A watcher that must not be told anything."""


class Drivers(Nodes):
    """Drivers of surveys that join the nodes, in processes of their own."""

    def drive(self, folder, **options):
        named = [f"--{name}={value}" for name, value in options.items()]
        return self.start(
            str(SUPPORT / "survey_works.py"),
            str(folder),
            f"--address={self.address}",
            *named,
            stderr=subprocess.STDOUT,
        )

    def run(self, folder, **options):
        """Drive to the end; return the lines told, and the tally."""
        driver = self.drive(folder, **options)
        told = driver.communicate(timeout=120)[0].splitlines()
        assert driver.returncode == 0, told
        return told, json.loads(told[-1])


@pytest.fixture(scope="module")
def nodes():
    """A head without CPUs and two nodes with one each."""
    made = Drivers()
    yield made
    made.close()


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "sample.toml"
    defaults = (
        "[defaults]\ndistance.mpc = 10.0\ndata.path = 'none.zarr'\n"
        "line = { name = 'CO(2-1)', rest_frequency_hz = 230.538e9 }\n"
    )
    rows = [f"[[galaxy]]\nname = 'G {i}'\nsampler.seed = {i}\n" for i in range(N_GALAXIES)]
    path.write_text(defaults + "".join(rows))
    return path


def working_pids(survey):
    """Processes that have a galaxy in hand and a checkpoint of it."""
    return {
        int(json.loads(path.read_text())["worker"].rpartition(":")[2])
        for path in survey.path.glob("galaxies/*/status.json")
        if (path.parent / "checkpoint.npz").exists()
    }


def draws_of(survey):
    return {
        job.name: (
            survey.record(job.output).draws_hash,
            read_store(survey.job_folder(job.output) / "posterior.zarr", Posterior)["posterior/log10_mbh"],
        )
        for job in survey.jobs()
    }


def next_line(driver, words):
    return next((line for line in driver.stdout if words in line), "the driver ended")


@pytest.mark.slow
def test_worker_node_and_driver_killed_and_every_draw_as_in_a_calm_run(nodes, table, tmp_path):
    calm = SurveyFolder(tmp_path / "calm")
    _, tally = nodes.run(calm.path, table=table)
    assert (tally["converged"], tally["lost_workers"]) == (N_GALAXIES, 0)

    survey = SurveyFolder(tmp_path / "stormy")
    hold = survey.path / "hold"
    survey.path.mkdir()
    hold.touch()  # every galaxy stops at its first checkpoint, however slow this machine is
    driver = nodes.drive(survey.path, table=table)
    try:
        killed = until(lambda: next(iter(working_pids(survey)), None))
        os.kill(killed, signal.SIGKILL)
        assert "its worker was lost" in next_line(driver, "lost")

        # While it lives, nobody else may write there.
        assert f"process {driver.pid} on" in driver_of(survey.lock)
        with pytest.raises(ContractError, match="held by another driver"):
            run_survey(survey.path, Listener())

        # What the killed one had in hand may still bear its name: both nodes must have work before one is lost.
        until(lambda: len(working_pids(survey) - {killed}) == 2)
        workers = working_pids(survey) - {killed}
        nodes.tell("remove")
        assert "its worker was lost" in next_line(driver, "lost")
        hold.unlink()
        until(lambda: list(survey.path.glob("galaxies/*/record.json")))
    finally:
        driver.kill()
        driver.communicate()
    for pid in workers:  # a lost node's processes are gone with it, and those of a dead driver end by themselves
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    nodes.tell("add")
    finished = [job for job in survey.jobs() if survey.is_finished(job)]
    assert 0 < len(finished) < N_GALAXIES
    times = {job.output: survey.record_path(job.output).stat().st_mtime_ns for job in finished}

    _, tally = nodes.run(survey.path)
    assert (tally["skipped"], tally["converged"]) == (len(finished), N_GALAXIES - len(finished))
    assert {output: survey.record_path(output).stat().st_mtime_ns for output in times} == times
    assert driver_of(survey.lock) is None

    expected, found = draws_of(calm), draws_of(survey)
    assert {name: digest for name, (digest, _) in found.items()} == {n: d for n, (d, _) in expected.items()}
    for name, (_, draws) in expected.items():
        np.testing.assert_array_equal(found[name][1], draws)
    assert not list(survey.path.glob("galaxies/*/.*.new"))


@pytest.mark.slow
def test_a_node_that_joins_late_gets_galaxies(nodes, table, tmp_path):
    survey = SurveyFolder(tmp_path / "late")
    hold = survey.path / "hold"
    survey.path.mkdir()
    hold.touch()
    driver = nodes.drive(survey.path, table=table, workers=0)
    try:
        assert "(workers: 2, nodes: 3)" in next_line(driver, "galaxies to do")
        nodes.tell("add")
        assert "(workers: 2 before, 3 now)" in next_line(driver, "nodes have joined")
        until(lambda: len(working_pids(survey)) == 3)
        hold.unlink()
        told = driver.communicate(timeout=120)[0].splitlines()
    finally:
        driver.kill()
        nodes.tell("remove")
    tally = json.loads(told[-1])
    assert (tally["converged"], tally["lost_workers"]) == (N_GALAXIES, 0)


@pytest.mark.slow
def test_one_galaxy_never_stops_the_others(nodes, table, tmp_path):
    text = table.read_text()
    for i, name in enumerate(("exits", "memory", "bug")):
        text = text.replace(f"'G {i}'", f"'{name} {i}'")
    table.write_text(text)
    options = {"table": table, "work": "survey_works:break_down"}
    told, tally = nodes.run(tmp_path / "out", attempts=2, scrapes="out", **options)
    assert (tally["converged"], tally["failed"], tally["lost_workers"]) == (5, 3, 2)
    survey = SurveyFolder(tmp_path / "out")
    reasons = {job.name: survey.record(job.output).reason for job in survey.jobs()}
    assert reasons["memory 1"].startswith("out of memory (cannot allocate 80 GiB)")
    assert reasons["bug 2"].startswith("ZeroDivisionError: division by zero at survey_works.py:")
    assert reasons["exits 0"].startswith("2 workers were lost, the last with: ")
    assert any(line.startswith("exits 0: its worker was lost") for line in told)

    # The same is told to Prometheus.
    metrics = {line for line in told if line.startswith("metric ")}  # told again at the very end
    assert sorted((line.split('status="')[1].split('"')[0], float(line.split()[-1])) for line in metrics) == [
        ("converged", 5.0),
        ("failed", 3.0),
    ]

    # The rest is finished; what failed is tried again, and a row that was changed is another job.
    table.write_text(text.replace("'memory 1'", "'mended 1'"))
    _, again = nodes.run(tmp_path / "out", attempts=1, **options)
    assert (again["skipped"], again["converged"], again["failed"]) == (5, 1, 2)
