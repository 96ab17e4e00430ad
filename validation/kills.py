"""Is anything lost when Steelyard is killed? Fits, surveys and trainings killed at random moments, and resumed.

    uv run python validation/kills.py --folder FOLDER [--only SUBJECT] [--write]

A small fit, a survey of three small galaxies on a local Ray, and two trainings of a surrogate (in one process, and by
workers) run twice undisturbed. Then they are killed at moments that are uniform over the time of the undisturbed run,
half of the SIGKILLs as soon as something is being written after that moment; up to four kills meet one run. The same
command is started again each time, until it ends by itself. Its end state must then be that of the undisturbed runs,
by hash, with no name left over and no process that runs on. The folder keeps what was done: the same command resumes.
--write puts the table in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kill_inputs import write_inputs
from kill_states import State, artifact_state, fit_state, survey_state
from killing import Ended, Kill, Landed, Subject, differences, run_to_the_end

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
START, END = "<!-- result -->", "<!-- end of result -->"
SEED = 20
KILLS_PER_RUN = 4
MAX_STEPS = 2000
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


def kills_of(campaign: Campaign, run: int) -> list[Kill]:
    """Return all kills of a subject, in an order that is always the same, with their moments for a run."""
    name = campaign.subject.name.encode()
    found = [
        (planned.signal, planned.target, i < planned.at_write)
        for planned in campaign.kills
        for i in range(planned.count)
    ]
    order = np.random.default_rng([SEED, *name]).permutation(len(found))
    moments = np.random.default_rng([SEED, run, *name]).random(len(found))
    return [
        Kill(signal, float(fraction), target, at_write)  # type: ignore[arg-type]
        for (signal, target, at_write), fraction in zip((found[i] for i in order), moments, strict=True)
    ]


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


def carry_out(campaign: Campaign, folder: Path, environment: dict[str, str]) -> None:
    """Make the kills of a campaign that are not made yet, and keep each with what came of its run."""
    subject, done = campaign.subject, folder / "kills.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    undisturbed = calm(subject, folder, environment)
    while (n_done := len(read(done))) < sum(planned.count for planned in campaign.kills):
        run = len(list(folder.glob("run-*")))
        place, waiting = folder / f"run-{run:02}", kills_of(campaign, run)[n_done:]
        ended = run_to_the_end(subject, place, waiting[:KILLS_PER_RUN], undisturbed["seconds"], environment)
        wrong = wrong_with(ended, undisturbed)
        if wrong and not ended.landed:
            raise SystemExit(f"error: {place}: {'; '.join(wrong)}")
        lines = [_line(subject, place.name, landed, wrong) for landed in ended.landed]
        with done.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        print(f"{subject.name} {place.name}: {len(lines)} kills, {'; '.join(wrong) or 'ends alike'}", file=sys.stderr)


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
    for (subject, target, signal), count in rows.items():
        these = [k for k in done if (k["subject"], k["target"], k["signal"]) == (subject, target, signal)]
        runs = {kill["run"]: not kill["wrong"] for kill in these}
        what = subject if target == "command" else f"{subject}: a worker"
        half = sum(bool(kill["half_written"]) for kill in these)
        lines.append(f"| {what} | SIG{signal} | {count} | {half} | {len(runs)} | {sum(runs.values())} |")
    all_runs = {(kill["subject"], kill["run"]): not kill["wrong"] for kill in done}
    total = f"{len(done)} kills in {len(all_runs)} runs, of which {sum(all_runs.values())} ended as undisturbed."
    return "\n".join([total, "", *lines])


def write(page: Path, text: str) -> None:
    """Put a text between the markers of a page."""
    before, rest = page.read_text().split(START)
    page.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}")


def main() -> int:
    """Run the check; exit 1 if a run ended otherwise than an undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where runs and results are kept")
    parser.add_argument("--only", action="append", help="subject to kill (repeatable); all by default")
    parser.add_argument("--write", action="store_true", help="write the table in docs/reliability.md")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    write_inputs(folder / "inputs", MAX_STEPS)
    environment = {
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(folder / "jax")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # a restart compiles nothing
        "RAY_TMPDIR": str(folder / "ray"),
    }
    done = []
    for campaign in campaigns(folder / "inputs"):
        place = folder / campaign.subject.name.replace(" ", "-")
        if arguments.only is None or campaign.subject.name in arguments.only:
            carry_out(campaign, place, environment)
        done += read(place / "kills.jsonl")
    print(table(done))
    if arguments.write:
        write(PAGE, table(done))
    return 1 if any(kill["wrong"] for kill in done) else 0


if __name__ == "__main__":
    raise SystemExit(main())
