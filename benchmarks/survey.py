"""The driver's own cost: surveys of galaxies whose fit is no work at all.

    uv run python benchmarks/survey.py [--jobs 1000 10000] [--workers 2] [--write docs/survey_scaling.json]

Measures planning, running and resuming per job, and the driver's memory from its first second to its last.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

from steelyard.cluster.run import Cluster, SampleFiles, run_survey

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    found = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "runs": [measure(n, options.workers) for n in options.jobs],
    }
    text = json.dumps(found, indent=2)
    print(text)
    if options.write:
        options.write.write_text(text + "\n")


if __name__ == "__main__":
    main()
