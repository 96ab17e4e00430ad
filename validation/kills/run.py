"""Is anything lost when Steelyard is killed? Fits, surveys and trainings killed at random moments, and resumed.

    uv run python -m validation.kills --folder FOLDER [--only SUBJECT] [--write]

A small fit, a survey of three small galaxies on a local Ray, and two trainings of a surrogate (in one process, and by
workers) run twice undisturbed. Then they are killed at moments that are uniform over the time of the undisturbed run,
half of the SIGKILLs as soon as something is being written after that moment; up to two kills meet one run. The same
command is started again each time, until it ends by itself. Its end state must then be that of the undisturbed runs,
by hash, with no name left over and no process that runs on. The folder keeps what was done: the same command resumes.
--write puts the table in docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from validation.kills.killing import Ended, Kill, Landed, Subject, differences, run_to_the_end
from validation.kills.states import State, artifact_state, fit_state, survey_state
from validation.page import DOCS, ResultPage

PAGE = ResultPage(DOCS / "reliability.md", "validation.kills", options="--folder FOLDER")
SEED = 20
KILLS_PER_RUN = 2
MAX_STEPS = 400
TRAINING = ("--linear-examples", "200", "--hidden", "8", "--examples", "400", "--points", "4", "--choose-on", "4")
STEPS = ("--label-steps", "100", "--loss-steps", "20000")
WORKERS = ("--head", "linear", "--workers", "2")


class Planned(NamedTuple):
    """How often a signal is sent to a subject."""

    signal: str
    count: int
    target: str = "command"
    at_write: int = 0


@dataclass(frozen=True)
class Campaign:
    """A subject and the kills that it must survive."""

    subject: Subject
    kills: tuple[Planned, ...]


def campaigns(inputs: Path) -> tuple[Campaign, ...]:
    """Return what is killed, and how often."""
    galaxy, sample, defaults = (str(inputs / name) for name in ("galaxy.json", "sample.csv", "defaults.toml"))
    survey = ("survey", "run", sample, "--defaults", defaults, "--out", "{out}", "--workers", "2", "--no-reports")
    training = ("surrogate", "train", "{out}", *TRAINING, *STEPS, "--head", "corrected")
    handled = tuple(Planned(name, 1) for name in ("TERM", "HUP", "INT"))
    return (
        Campaign(
            Subject("fit", ("fit", galaxy, "--out", "{out}"), fit_state),
            (Planned("KILL", 15, at_write=8), Planned("TERM", 3), Planned("HUP", 3), Planned("INT", 3)),
        ),
        Campaign(
            Subject("survey", survey, survey_state, "out/galaxies/*/status.json"),
            (
                Planned("KILL", 6, at_write=3),
                Planned("KILL", 4, "worker", at_write=2),
                Planned("TERM", 2),
                Planned("HUP", 2),
                Planned("INT", 2),
            ),
        ),
        Campaign(Subject("training", training, artifact_state), (Planned("KILL", 3, at_write=2), *handled)),
        Campaign(
            Subject("training by workers", (*training, *WORKERS), artifact_state, "out.training/*/status.json"),
            (Planned("KILL", 2, at_write=1), Planned("KILL", 1, "worker"), Planned("TERM", 1)),
        ),
    )


def planned_kills(campaign: Campaign) -> list[Kill]:
    """Return all kills of a subject, without their moments, in an order that is always the same."""
    found = [
        Kill(planned.signal, 0.0, planned.target, i < planned.at_write)  # type: ignore[arg-type]
        for planned in campaign.kills
        for i in range(planned.count)
    ]
    order = np.random.default_rng([SEED, *campaign.subject.name.encode()]).permutation(len(found))
    return [found[i] for i in order]


def calm(subject: Subject, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Return end state, exit code and time of an undisturbed run, made twice; they must end alike."""
    kept = folder / "calm.json"
    if kept.exists():
        return json.loads(kept.read_text())
    made = len(list(folder.glob("calm-*")))
    first, second = (run_to_the_end(subject, folder / f"calm-{made + i}", (), 0.0, environment) for i in range(2))
    problems = [*first.problems, *second.problems, *differences(first.state, second.state)]
    if problems or first.code != second.code:
        raise SystemExit(f"error: {subject.name}: two undisturbed runs differ: {'; '.join(problems)}")
    facts = {"state": second.state, "code": second.code, "seconds": second.seconds}
    kept.write_text(json.dumps(facts, indent=2))
    return facts


def carry_out(campaign: Campaign, folder: Path, environment: dict[str, str], jobs: int) -> None:
    """Make the kills of a campaign that are not made yet, in several runs at a time, and keep what came of each."""
    subject, kept, lock = campaign.subject, folder / "kills.jsonl", Lock()
    folder.mkdir(parents=True, exist_ok=True)
    undisturbed = calm(subject, folder, environment)
    made = Counter((kill["signal"], kill["target"], kill["at_write"]) for kill in read(kept))
    waiting: list[Kill] = []
    for kill in planned_kills(campaign):
        key = (kill.signal, kill.target, kill.at_write)
        made[key] -= 1
        if made[key] < 0:
            waiting.append(kill)
    numbers = count(len(list(folder.glob("run-*"))))

    def one_run() -> None:
        with lock:
            run, taken = next(numbers), waiting[:KILLS_PER_RUN]
            del waiting[:KILLS_PER_RUN]
        if not taken:
            return
        moments = np.random.default_rng([SEED, run, *subject.name.encode()]).random(len(taken))
        kills = [kill._replace(fraction=float(moment)) for kill, moment in zip(taken, moments, strict=True)]
        place = folder / f"run-{run:02}"
        ended = run_to_the_end(subject, place, kills, undisturbed["seconds"], environment)
        wrong = wrong_with(ended, undisturbed)
        if wrong and not ended.landed:
            raise SystemExit(f"error: {place}: {'; '.join(wrong)}")
        lines = [_line(subject, place.name, landed, wrong) for landed in ended.landed]
        if not ended.landed:  # an undisturbed run: the machine is faster by now, or was busier before
            undisturbed["seconds"] = ended.seconds
            (folder / "calm.json").write_text(json.dumps(undisturbed, indent=2))
        with lock, kept.open("a") as file:
            waiting.extend(kills[len(lines) :])  # those that came too late
            file.writelines(json.dumps(line) + "\n" for line in lines)
        print(f"{subject.name} {place.name}: {len(lines)} kills, {'; '.join(wrong) or 'ends alike'}", file=sys.stderr)

    def runs() -> None:
        while waiting:
            one_run()

    with ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(runs) for _ in range(jobs)]:
            future.result()


def wrong_with(ended: Ended, undisturbed: dict[str, Any]) -> list[str]:
    """Return all in which a run did not end as undisturbed."""
    calm_state: State = undisturbed["state"]
    wrong = [*ended.problems, *(f"differs: {part}" for part in differences(calm_state, ended.state))]
    return wrong if ended.code == undisturbed["code"] else [*wrong, f"exit code {ended.code}"]


def _line(subject: Subject, run: str, landed: Landed, wrong: list[str]) -> dict[str, Any]:
    return {
        "subject": subject.name,
        "run": run,
        **landed.kill._asdict(),
        "after_s": round(landed.after_s, 2),
        "half_written": landed.half_written,
        "wrong": wrong,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Return the kills of a subject that were made."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(done: Sequence[dict[str, Any]]) -> str:
    """Return the result as text: kills by subject and signal, and how their runs ended."""
    rows = Counter((kill["subject"], kill["target"], kill["signal"]) for kill in done)
    lines = ["| killed | signal | kills | while something was half-written | runs | runs that ended as undisturbed |"]
    lines.append("|---|---|---|---|---|---|")
    for (subject, target, name), n_kills in rows.items():
        these = [k for k in done if (k["subject"], k["target"], k["signal"]) == (subject, target, name)]
        runs = {kill["run"]: not kill["wrong"] for kill in these}
        what = subject if target == "command" else f"{subject}: a worker"
        half = sum(bool(kill["half_written"]) for kill in these)
        lines.append(f"| {what} | SIG{name} | {n_kills} | {half} | {len(runs)} | {sum(runs.values())} |")
    all_runs = {(kill["subject"], kill["run"]): not kill["wrong"] for kill in done}
    total = f"{len(done)} kills in {len(all_runs)} runs, of which {sum(all_runs.values())} ended as undisturbed."
    return "\n".join([total, "", *lines])


def main() -> int:
    """Run the check; exit 1 if a run ended otherwise than an undisturbed one."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where runs and results are kept")
    parser.add_argument("--only", action="append", help="subject to kill (repeatable); all by default")
    parser.add_argument("--jobs", type=int, default=1, help="runs of a subject at a time (default: 1)")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):
        # A command inherits that a signal is ignored, as under nohup or in the background of a script.
        signal.signal(number, lambda *_: sys.exit(1))
    folder = arguments.folder.resolve()
    if not (folder / "inputs" / "sample.csv").exists():
        from validation.kills.inputs import write_inputs  # loads JAX

        write_inputs(folder / "inputs", MAX_STEPS)
    environment = {
        # A fit by itself and one in a survey's worker compile the same programs then, and share them.
        **dict.fromkeys(("JAX_NUM_CPU_DEVICES", "NPROC", "PJRT_NPROC", "OMP_NUM_THREADS"), "1"),
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(folder / "jax")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # a restart compiles nothing
        "RAY_TMPDIR": str(folder / "ray"),
    }
    done = []
    for campaign in campaigns(folder / "inputs"):
        place = folder / campaign.subject.name.replace(" ", "-")
        if arguments.only is None or campaign.subject.name in arguments.only:
            carry_out(campaign, place, environment, arguments.jobs)
        done += read(place / "kills.jsonl")
    print(table(done))
    if arguments.write:
        PAGE.write(table(done))
    return 1 if any(kill["wrong"] for kill in done) else 0
