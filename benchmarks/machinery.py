"""Benchmark of each process setting: four chains of S, M and L, and the demo from start to report, without it.

    uv run python -m benchmarks.machinery FOLDER [--write]

Five settings make a process faster and have no part in the model: XLA's vectors of 512 bits, freed memory that is
kept, cores presented as devices, channels in blocks that fit a core's caches, and the chains of one core one after
the other. Each is switched off in a process of its own, beside one that has them all; the processes of a case take
turns. The demo runs once for each, with an empty folder of compiled programs, as a newcomer's does. --write puts
the table in docs/machinery.md.
"""

import json
import os
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import jax
from steelyard_schemas import Posterior, read_store, write_store

from benchmarks.forward_case import observed
from benchmarks.forward_problem import CASES
from benchmarks.peer_process import Worker, machine, module_command
from validation import ROOT
from validation.page import DOCS, ResultPage, table

PAGE = ResultPage(DOCS / "machinery.md", "benchmarks.machinery", options="FOLDER")
PARTS = {
    "none": "nothing",
    "vectors": "512-bit vectors",
    "malloc": "freed memory kept",
    "cores": "a device for each core",
    "blocks": "channels in blocks",
    "sequential": "chains one after the other",
}
ROUNDS = 5
NO_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def evaluations(folder):
    """Return seconds of a gradient of one of four chains, by part that is left out: the median of the rounds."""
    if not (folder / "gridded.zarr").exists():
        with jax.enable_x64(True):
            write_store(folder / "gridded.zarr", observed(CASES[folder.name]))
    with ExitStack() as stack:
        start = {
            part: stack.enter_context(Worker("benchmarks.machinery_ours", part, "chains", folder, variables=NO_CACHE))
            for part in PARTS
        }
        taken = {part: [] for part in PARTS}
        for _ in range(ROUNDS):
            for part, worker in start.items():
                taken[part].append(worker.ask("evaluate")["seconds"])
    return {part: statistics.median(times) for part, times in taken.items()}


def whole_fit(folder, part):
    """Return seconds of the demo from start to report, and of its sampling."""
    place = folder / f"demo-{part}"
    variables = os.environ | {"XDG_CACHE_HOME": str(folder / f"cache-{part}")}
    began = time.perf_counter()
    subprocess.run(
        module_command("benchmarks.machinery_ours", part, "demo", place),
        cwd=ROOT,
        check=True,
        env=variables,
        stdout=subprocess.DEVNULL,
    )
    quality = read_store(place / "fit" / "posterior.zarr", Posterior).manifest.quality
    return {"seconds": time.perf_counter() - began, "sampling": quality.wall_s}


def measured(folder):
    """Return all figures, measured or read from the folder, by case and part."""
    kept = folder / "machinery.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for name in CASES:
        if name not in found:
            (folder / name).mkdir(parents=True, exist_ok=True)
            found[name] = evaluations(folder / name)
            kept.write_text(json.dumps(found, indent=1))
            print(name, found[name], flush=True)
    demo = found.setdefault("demo", {})
    for part in PARTS:
        if part not in demo:
            demo[part] = whole_fit(folder, part)
            kept.write_text(json.dumps(found, indent=1))
            print("demo", part, demo[part], flush=True)
    return found


def page(found):
    """Return the table: times with everything, and what leaving each out adds."""
    columns = {name: found[name] for name in CASES}
    columns["demo, sampling"] = {part: times["sampling"] for part, times in found["demo"].items()}
    columns["demo, all"] = {part: times["seconds"] for part, times in found["demo"].items()}
    rows = []
    for part, name in PARTS.items():
        cells = []
        for column, times in columns.items():
            whole = times["none"]
            unit = "ms" if column in CASES else "s"
            absolute = f"{whole * 1e3:.1f} {unit}" if unit == "ms" else f"{whole:.0f} {unit}"
            cells.append(absolute if part == "none" else f"{100 * (times[part] / whole - 1):+.0f} %")
        rows.append([name, *cells])
    head = ["left out", *columns]
    return "\n".join([f"{machine()}.", "", *table(head, rows, "l" + "r" * len(columns))])


def main():
    parser = PAGE.parser(__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.folder.resolve())
    text = page(found)
    print(text)
    if arguments.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()
