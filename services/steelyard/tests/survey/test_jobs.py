"""One job and its record; the survey's locks, states and page. No Ray here."""

import json
import resource
import shutil
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.table import Table
from steelyard.cluster.run import SampleFiles, run_survey
from steelyard.commands.main import app
from steelyard.console import FitProgress, plain_console, report_warnings, say
from steelyard.survey.folder import SurveyFolder, changes, plan_jobs
from steelyard.survey.jobs import Outcome, failure, find_work, run_job
from steelyard.survey.lock import driver_lock, driver_of
from steelyard.survey.masses import mass_rows, pull_summary
from steelyard.survey.report import write_survey_report
from steelyard.survey.sample import sample_rows
from steelyard.survey.status import STATUS_SECONDS, JobStatus, StatusWriter, read_status
from steelyard.survey.summary import survey_state
from steelyard.survey.surrogates import SurrogateShelf
from steelyard.survey.watch import status_table
from steelyard_schemas import ContractError, Posterior, SurveyJob, read_store, unpack
from typer.testing import CliRunner

from ..support.survey_works import break_down

ROOT = Path(__file__).parents[4]
SAMPLE = """\
[defaults]
distance.mpc = 10.0
data.path = 'none.zarr'
line = { name = 'CO(2-1)', rest_frequency_hz = 230.538e9 }
"""


@pytest.fixture
def survey(tmp_path):
    """A plan of four galaxies: two good ones with a truth and a literature mass, one that fails, and a big one."""
    rows = [
        f"[[galaxy]]\nname = '{name}'\ntruth.log10_mbh = {truth}\n"
        f"log10_mbh_lit = {truth + 0.1}\nlog10_mbh_lit_sd = 0.3\n"
        for name, truth in (("good 1", 8.4), ("good 2", 8.6), ("bug (3)", 8.0))
    ]
    path = tmp_path / "sample.toml"
    path.write_text(SAMPLE + "".join(rows) + "[[galaxy]]\nname = 'big 4'\n")
    made = SurveyFolder(tmp_path / "out")
    made.write_plan(plan_jobs(sample_rows(path), tmp_path, SurrogateShelf(made.surrogates)), path)
    return made


def run_all(survey, work=break_down):
    return {
        job.name: run_job(work, unpack(job.message, SurveyJob), survey, survey.data_folder) for job in survey.jobs()
    }


def test_a_record_says_how_a_job_ended(survey):
    records = run_all(survey)
    assert {name: record.status for name, record in records.items()} == {
        "good 1": "converged",
        "good 2": "converged",
        "bug (3)": "failed",
        "big 4": "converged",
    }
    for job in survey.jobs():
        assert survey.record(job.output) == records[job.name]
        assert survey.is_finished(job) == (job.name != "bug (3)")
        assert not (survey.job_folder(job.output) / "status.json").exists()
        assert not (survey.job_folder(job.output) / "worker.lock").exists()
    # What is the same of two runs is the draws; the store holds times.
    again = run_all(survey)["good 1"]
    assert again.draws_hash == records["good 1"].draws_hash


def test_a_changed_record_or_a_damaged_one_is_not_finished(survey):
    run_all(survey)
    job = next(survey.jobs())
    assert survey.is_finished(job)
    assert not survey.is_finished(job._replace(job_id="0" * 64))
    for text in ('{"kind": "job_rec', "[]", '{"a":' * 50_000):
        survey.record_path(job.output).write_text(text)
        assert not survey.is_finished(job)


def test_a_missing_data_file_is_that_galaxys_failure(survey):
    from steelyard.survey.jobs import FIT

    job = next(survey.jobs())
    record = run_job(find_work(FIT), unpack(job.message, SurveyJob), survey, survey.data_folder)
    assert record.status == "failed"
    assert "none.zarr: no such file" in record.reason


def limited(survey):
    """Run all jobs where no file may grow beyond a megabyte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        return run_all(survey)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_fails_its_job_alone(survey):
    records = limited(survey)
    assert records["big 4"].status == "failed"
    assert records["big 4"].reason.startswith("no space left to write (")
    assert "steelyard survey resume" in records["big 4"].reason
    assert records["good 1"].status == "converged"


def test_a_full_disk_fails_the_job_in_hand_and_keeps_what_was_there(survey, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        there = SurveyFolder(small / "out")
        there.write_plan(survey.jobs(), tmp_path / "sample.toml")
        good = next(job for job in there.jobs() if job.name == "good 1")
        run_job(break_down, unpack(good.message, SurveyJob), there, tmp_path)
        posterior = there.job_folder(good.output) / "posterior.zarr"
        before = read_store(posterior, Posterior).manifest.content_hash

        big = next(job for job in there.jobs() if job.name == "big 4")
        record = run_job(break_down, unpack(big.message, SurveyJob), there, tmp_path)
        assert record.status == "failed"
        assert record.reason.startswith("no space left to write (")
        assert read_store(posterior, Posterior).manifest.content_hash == before
        assert there.is_finished(good)
        assert not there.is_finished(big)
        # With room again, the same job is done.
        (there.job_folder(big.output) / "big").unlink()
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        assert run_job(break_down, unpack(big.message, SurveyJob), there, tmp_path).status == "converged"
        assert there.is_finished(big)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_a_killed_worker_left_is_swept_and_its_lock_taken(survey):
    job = next(survey.jobs())
    folder = survey.job_folder(job.output)
    hold = (
        "import os, sys; from pathlib import Path; from steelyard.survey.lock import job_lock\n"
        "from steelyard_schemas import atomic_path\n"
        "folder = Path(sys.argv[1])\n"
        "with job_lock(folder), atomic_path(folder / 'posterior.zarr', overwrite=True) as temporary:\n"
        "    temporary.mkdir(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", hold, str(folder)]).returncode == 9
    assert (folder / "worker.lock").exists()
    assert list(folder.glob(".*.new"))
    assert run_job(break_down, unpack(job.message, SurveyJob), survey, survey.data_folder).status == "converged"
    assert not list(folder.glob(".*.new"))


def test_one_driver_at_a_time(survey):
    with driver_lock(survey.lock):
        assert driver_of(survey.lock) is not None
        second = (
            "import sys; from pathlib import Path; from steelyard.survey.lock import driver_lock\n"
            "with driver_lock(Path(sys.argv[1])): pass"
        )
        refused = subprocess.run([sys.executable, "-c", second, str(survey.lock)], capture_output=True, text=True)
        assert refused.returncode == 1
        assert "is held by another driver (process " in refused.stderr
        assert "--wait" in refused.stderr
    assert driver_of(survey.lock) is None
    with driver_lock(survey.lock):
        pass
    assert survey.path.exists()


def test_a_refused_sample_leaves_no_folder_behind(tmp_path):
    table = tmp_path / "sample.csv"
    table.write_text("name,distance.mpc\nA,-1\n")
    with pytest.raises(ContractError, match="row 1"):
        run_survey(tmp_path / "out", SimpleNamespace(note=lambda _: None), sample=SampleFiles(table))
    assert [path.name for path in tmp_path.iterdir()] == ["sample.csv"]


def test_what_changed_in_the_sample_is_said_and_only_that_is_done_again(survey, tmp_path):
    run_all(survey)
    table, before = tmp_path / "sample.toml", survey.job_ids()
    assert changes(before, before) == ""
    text = table.read_text().replace("truth.log10_mbh = 8.6", "truth.log10_mbh = 8.6\ndistance.mpc = 12.0")
    table.write_text(text.replace("[[galaxy]]\nname = 'big 4'\n", "[[galaxy]]\nname = 'good 5'\n"))
    survey.write_plan(plan_jobs(sample_rows(table), tmp_path, SurrogateShelf(survey.surrogates)), table)
    assert changes(before, survey.job_ids()) == (
        "the sample differs from the earlier plan: 1 changed in row, data or surrogate (good 2); "
        "1 new (good 5); 1 no longer in the sample: their folders are kept, the report omits them (big 4)"
    )
    assert {job.name for job in survey.jobs() if survey.is_finished(job)} == {"good 1"}
    assert len(list(survey.path.glob("galaxies/big_4-*/record.json"))) == 1
    many = changes({}, {f"g{i}": "" for i in range(7)})
    assert many.endswith("7 new (g0, g1, g2, g3, g4 and 2 more)")


def test_no_duration_is_negative_where_the_clock_was_set_back(survey, monkeypatch):
    jobs = list(survey.jobs())
    record = run_job(break_down, unpack(jobs[0].message, SurveyJob), survey, survey.data_folder)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with monkeypatch.context() as patch:
        patch.setattr("steelyard.survey.jobs._now", lambda: yesterday.isoformat(timespec="seconds"))
        patch.setattr("time.time", lambda: yesterday.timestamp())
        after = run_job(break_down, unpack(jobs[1].message, SurveyJob), survey, survey.data_folder)
        state = survey_state(survey)
    assert min(record.wall_s, after.wall_s) >= 0
    assert survey.is_finished(jobs[0])
    assert (state.total, state.waiting) == (4, 2)
    row = JobStatus("N 1", "sampling", "host:7", 0.0, 1, 9, seconds_left=-30.0)
    with StringIO() as told:
        Console(file=told, width=200).print(status_table([row]))
        assert "0 s" in told.getvalue().splitlines()[1]
        assert "-" not in told.getvalue().splitlines()[1]


def test_status_is_renewed_now_and_then_and_never_fails(tmp_path):
    now = [0.0]
    writer = StatusWriter(tmp_path / "status.json", "N 1", clock=lambda: now[0])
    at = SimpleNamespace(
        phase="sampling", step=1, total=9, acceptance=0.5, rhat=None, min_ess=30.0, seconds_left=60.0
    )
    writer.note("reading")
    writer.progress(at)
    assert next(read_status(iter([tmp_path]))).stage == "reading"
    now[0] = STATUS_SECONDS
    writer.progress(at)
    told = next(read_status(iter([tmp_path])))
    assert (told.stage, told.step, told.ess, told.rhat) == ("sampling", 1, 30.0, None)
    writer.close()
    assert not list(read_status(iter([tmp_path])))
    (tmp_path / "file").write_text("")
    StatusWriter(tmp_path / "file" / "status.json", "N 2").note("no such folder")


def test_the_state_of_a_survey_is_read_from_its_folder(survey):
    assert survey_state(survey).waiting == 4
    jobs = list(survey.jobs())
    with driver_lock(survey.lock):
        folder = survey.job_folder(jobs[0].output)
        folder.mkdir(parents=True)
        StatusWriter(folder / "status.json", jobs[0].name).note("sampling")
        state = survey_state(survey)
        assert [row.name for row in state.at_work] == [jobs[0].name]
        assert state.waiting == 3
    run_all(survey)
    state = survey_state(survey)
    assert (state.converged, state.failed, state.waiting, state.driver) == (3, 1, 0, None)
    assert list(state.failures) == ["bug (3)"]
    assert json.loads(json.dumps(state.as_json()))["failures"]["bug (3)"].startswith("ZeroDivisionError")


def test_the_page_compares_masses_and_lists_failures(survey):
    run_all(survey)
    rows = {row.name: row for row in mass_rows(survey)}
    good = rows["good 1"]
    # The work's draws run evenly from 8 to 9: mean 8.5.
    assert good.log10_mbh == pytest.approx(8.5)
    assert good.pull == pytest.approx((8.5 - 8.4) / good.sd)
    assert rows["bug (3)"].pull is None
    summary = pull_summary(row.pull for row in rows.values())
    assert summary.n == 2
    assert summary.mean == pytest.approx((good.pull + rows["good 2"].pull) / 2)

    literature = next(row for row in mass_rows(survey, "log10_mbh_lit") if row.name == "good 1")
    assert literature.pull == pytest.approx((8.5 - 8.5) / (good.sd**2 + 0.09) ** 0.5, abs=1e-9)
    with pytest.raises(ContractError, match="no galaxy has a number in the column 'nothing'"):
        mass_rows(survey, "nothing")

    page = write_survey_report(survey).read_text()
    assert "4 galaxies: 3 converged" in page
    assert "ZeroDivisionError: division by zero" in page
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_folder_that_is_no_survey(tmp_path):
    with pytest.raises(ContractError, match="holds no survey: start one with `steelyard survey run`"):
        survey_state(SurveyFolder(tmp_path))
    (tmp_path / "survey.json").write_text('{"survey": 99}')
    with pytest.raises(ContractError, match="planned by another version"):
        survey_state(SurveyFolder(tmp_path))
    for text in ("[]", "{", '{"survey":' * 50_000, '{"survey": 1}', '{"survey": 1, "jobs": [], "data_folder": "."}'):
        (tmp_path / "survey.json").write_text(text)
        with pytest.raises(ContractError, match=r"survey\.json: .*; plan again with `steelyard survey run`"):
            survey_state(SurveyFolder(tmp_path))


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole + b"\x01", lambda whole: b"\xc1"])
def test_a_damaged_plan_says_so(survey, damage):
    survey.plan.write_bytes(damage(survey.plan.read_bytes()))
    with pytest.raises(ContractError, match=r"plan\.msgpack: .* plan again with `steelyard survey run`"):
        list(survey.jobs())


def test_a_store_of_another_kind_is_no_posterior(survey):
    run_all(survey)
    posterior = survey.job_folder(next(survey.jobs()).output) / "posterior.zarr"
    shutil.rmtree(posterior)
    shutil.copytree(ROOT / "schemas" / "examples" / "visibilities-1.1" / "example.zarr", posterior)
    row = mass_rows(survey)[0]
    assert row.status == "damaged"
    assert "holds 'visibilities', expected 'posterior'" in row.reason


@pytest.mark.parametrize("output", ["../../x", "/x", "a/../../x", ""])
def test_a_job_works_in_its_survey_only(survey, output):
    with pytest.raises(ContractError, match="must be relative"):
        survey.job_folder(output)
    assert not survey.is_finished(next(survey.jobs())._replace(output=output))


def test_names_and_reasons_cannot_command_the_terminal(survey):
    name, reason = "good [red]1[/red] :smile: \x1b[2J", "no\x07 [bold]way"
    row = JobStatus(name, reason, "host\x1b[0m:7", 0.0)
    with StringIO() as told:
        console = Console(file=told, markup=False, emoji=False, width=200)
        console.print(status_table([row]))
        assert r"good [red]1[/red] :smile: \x1b[2J" in told.getvalue()
        assert r"no\x07 [bold]way" in told.getvalue()
    job = next(survey.jobs())
    survey.write_record(job.output, failure(job.job_id, job.name, reason, 1))
    shown = CliRunner().invoke(app, ["survey", "status", str(survey.path)]).stdout
    assert r"no\x07 [bold]way" in shown
    assert {c for c in shown if not c.isprintable()} == {"\n"}


def test_what_a_console_of_ours_prints_is_what_it_is_told(capsys):
    console = plain_console()
    table = Table("fit", box=None)
    table.add_row("[bold]a[/bold] :smile:")
    console.print(table)
    say("\x1b[2J [red]b")
    with FitProgress() as progress, report_warnings(progress):
        progress.note("[red]c \x00")
        warnings.warn("d \x1b[0m", UserWarning, stacklevel=1)
        warnings.warn("d \x1b[0m", UserWarning, stacklevel=1)
    printed = capsys.readouterr()
    assert "[bold]a[/bold] :smile:" in printed.out
    assert r"\x1b[2J [red]b" in printed.out
    assert printed.err.splitlines() == [r"[red]c \x00", r"warning: d \x1b[0m"]


@pytest.mark.parametrize("length", [0, 1000])
def test_an_empty_or_cut_plan_is_refused(survey, length, monkeypatch):
    monkeypatch.setattr("steelyard.survey.folder.REPLANNING_S", 0.0)
    assert json.loads(survey.about.read_text())["jobs"] == 4
    survey.plan.write_bytes(survey.plan.read_bytes()[:length])
    for command in ("status", "report", "resume"):
        result = CliRunner().invoke(app, ["survey", command, str(survey.path)])
        assert result.exit_code == 1, result.output
        line = result.stderr.splitlines()[-1]
        assert line.startswith(f"error: {survey.plan}: is truncated or altered: it is not the plan of 4 galaxies")
        assert "`steelyard survey run`" in line
    survey.plan.unlink()
    assert "plan.msgpack: cannot be read" in CliRunner().invoke(app, ["survey", "status", str(survey.path)]).stderr


def test_a_plan_made_before_its_hash_was_kept_is_counted(survey, monkeypatch):
    monkeypatch.setattr("steelyard.survey.folder.REPLANNING_S", 0.0)
    about = json.loads(survey.about.read_text())
    del about["plan_sha256"]
    survey.about.write_text(json.dumps(about))
    assert len(list(survey.jobs())) == 4
    survey.plan.write_bytes(b"")
    with pytest.raises(ContractError, match="is truncated or altered"):
        list(SurveyFolder(survey.path).jobs())


@pytest.mark.parametrize("content", ["", '{"kind": "job_rec', "[]", '{"kind": "job_record"}'])
def test_a_damaged_record_is_one_row_with_its_reason(survey, content):
    run_all(survey)
    job = next(job for job in survey.jobs() if job.name == "good 1")
    survey.record_path(job.output).write_text(content)
    assert not survey.is_finished(job)
    state = survey_state(survey)
    assert (state.converged, state.failed, state.waiting, state.damaged) == (2, 1, 0, 1)
    assert "its record is damaged" in state.failures["good 1"]
    told = CliRunner().invoke(app, ["survey", "status", str(survey.path)])
    assert told.exit_code == 0
    assert "0 waiting, 1 damaged" in told.stdout
    assert "good 1: its record is damaged (" in told.stdout
    row = next(row for row in mass_rows(survey) if row.name == "good 1")
    assert (row.status, row.log10_mbh) == ("damaged", None)
    page = write_survey_report(survey).read_text()
    assert "1 damaged" in page
    assert page.count("its record is damaged") == 1


def test_a_damaged_posterior_is_one_row_too(survey):
    run_all(survey)
    job = next(job for job in survey.jobs() if job.name == "good 1")
    (survey.job_folder(job.output) / "posterior.zarr" / "zarr.json").write_text("{}")
    rows = {row.name: row for row in mass_rows(survey)}
    assert rows["good 1"].status == "damaged"
    assert "its posterior is damaged" in rows["good 1"].reason
    assert rows["good 2"].status == "converged"


def test_reasons_are_short_and_records_whole():
    record = failure("0" * 64, "N 1", "x" * 10_000, 2)
    assert len(record.reason) < 1000
    assert Outcome("converged", None, "a", "b").status == "converged"
