"""The driver's own cost: surveys of galaxies whose fit is no work at all.

    uv run python -m benchmarks.survey [--jobs 1000 10000] [--workers 2] [--write]

Measures running and resuming per job, and the driver's memory from the first quarter of the jobs to the last, and
extrapolates to a large survey. --write puts the result into docs/survey_scaling.md.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from pathlib import Path

from steelyard.cluster.run import Cluster, SampleFiles, run_survey

from validation.page import DOCS, ResultPage, table

PAGE = ResultPage(DOCS / "survey_scaling.md", "benchmarks.survey")

DEFAULTS = """\
[distance]
mpc = 10.0
[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
[data]
path = "none.ms"
grid = { cell_arcsec = 0.1, npix = 64 }
"""


def resident_mb() -> float:
    """Memory of this process [MB], without what it shares."""
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Meter:
    """A watcher that prints nothing and looks at the clock and the memory."""

    def __init__(self):
        self.memory, self.seconds, self.done = [], [], []

    def note(self, line):
        pass

    def ended(self, record, tally):
        if record.status != "converged":
            raise SystemExit(f"{record.name}: {record.reason}")
        if not self.seconds:
            self.first = time.perf_counter()
        if tally.done % 100 == 0:
            self.memory.append(resident_mb())
            self.seconds.append(time.perf_counter() - self.first)
            self.done.append(tally.done)

    def tick(self, tally):
        pass


def measure(n: int, workers: int) -> dict:
    """Plan, run and resume a survey of n galaxies without work."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "defaults.toml").write_text(DEFAULTS)
        (folder / "sample.csv").write_text("name,distance.mpc\n" + "".join(f"G {i},{10 + i % 7}\n" for i in range(n)))
        sample, meter = SampleFiles(folder / "sample.csv", folder / "defaults.toml"), Meter()
        began = time.perf_counter()
        tally = run_survey(
            folder / "out",
            meter,
            sample=sample,
            cluster=Cluster(workers=workers, cpus_per_worker=0.5),
            work="steelyard.survey.no_work:no_work",
        )
        whole = time.perf_counter() - began
        assert tally.converged == n, tally
        again = time.perf_counter()
        assert run_survey(folder / "out", Meter()).skipped == n
        resumed = time.perf_counter() - again
        plan_bytes = (folder / "out" / "plan.msgpack").stat().st_size
    running, quarter = meter.seconds[-1], len(meter.memory) // 4
    return {
        "jobs": n,
        "workers": workers,
        "run_ms_per_job": 1e3 * running / n,
        "before_the_first_job_s": whole - running,
        "resume_when_finished_ms_per_job": 1e3 * resumed / n,
        "plan_bytes_per_job": plan_bytes / n,
        "driver_mb_at_a_quarter": meter.memory[quarter],
        "driver_mb_at_the_end": meter.memory[-1],
        "driver_bytes_per_job": 1e6
        * (meter.memory[-1] - meter.memory[quarter])
        / (meter.done[-1] - meter.done[quarter]),
    }


TEXT = """\
Surveys of galaxies whose fit does nothing, so that what is left is the driver, the messages, and the record on disk.
{machine}, Python {python}; the machine was not idle.

{table}
## A hundred thousand galaxies on a hundred GPUs

The arithmetic, from the last column: N = {big:,} galaxies, A = {actors} actors (one per GPU), a fit takes T = 10 min.

- The driver hands out one job per {job_ms:.1f} ms, {rate:.0f} per second.
- It keeps A actors busy as long as a fit takes longer than A x {job_ms:.1f} ms = {least:.2f} s.
- At T it is busy A x {job_ms:.1f} ms / 600 s = {busy:.3%} of the time.
- Its share of all, N x {job_ms:.1f} ms = {own:.0f} s, is spread over N x T / A = {days:.1f} days.
- Memory: {per_job:.0f} bytes more per job between the first quarter and the end.
  N of them are {growth:.0f} MB on {base:.0f} MB.
- The plan: N x {plan:.0f} bytes = {plan_gb:.2f} GB on disk, read as it goes.
- Resuming when all is finished: N x {resume:.2f} ms = {resume_s:.0f} s, from reading N records.
- Status files: A / 2 s = {status:.0f} small writes per second on the shared file system, at most.

What this does not measure: a network file system, whose small files are slower (each is written once per galaxy,
against minutes of fitting); Ray's own cost of a hundred nodes; GPUs.
"""


def page(found: dict) -> str:
    """Lay out the numbers and the extrapolation."""
    runs, last, big, actors = found["runs"], found["runs"][-1], 100_000, 100
    names = {
        "run_ms_per_job": ("running, ms per job", ".2f"),
        "before_the_first_job_s": ("planning and starting Ray, s", ".1f"),
        "resume_when_finished_ms_per_job": ("resuming a finished survey, ms per job", ".3f"),
        "plan_bytes_per_job": ("plan, bytes per job", ".0f"),
        "driver_mb_at_a_quarter": ("driver's memory after a quarter of the jobs, MB", ".1f"),
        "driver_mb_at_the_end": ("driver's memory at the end, MB", ".1f"),
    }
    head = ("", *(f"{run['jobs']:,} jobs" for run in runs))
    rows = [(label, *(format(run[name], form) for run in runs)) for name, (label, form) in names.items()]
    job_ms, per_job = last["run_ms_per_job"], max(0.0, last["driver_bytes_per_job"])
    return TEXT.format(
        **{name: found[name] for name in ("machine", "python")},
        table="\n".join(table(head, rows, "l" + "r" * len(runs))),
        big=big,
        actors=actors,
        job_ms=job_ms,
        rate=1e3 / job_ms,
        least=actors * job_ms / 1e3,
        busy=actors * job_ms / 600e3,
        own=big * job_ms / 1e3,
        days=big * 600 / actors / 86400,
        per_job=per_job,
        growth=big * per_job / 1e6,
        base=last["driver_mb_at_the_end"],
        plan=last["plan_bytes_per_job"],
        plan_gb=big * last["plan_bytes_per_job"] / 1e9,
        resume=last["resume_when_finished_ms_per_job"],
        resume_s=big * last["resume_when_finished_ms_per_job"] / 1e3,
        status=actors / 2,
    )


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "runs": [measure(n, options.workers) for n in options.jobs],
    }
    print(json.dumps(found, indent=2))
    if options.write:
        PAGE.write(page(found))


if __name__ == "__main__":
    main()
