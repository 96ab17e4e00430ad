"""Log-density with gradient beside SuperMAGE's and a cube beside KinMS's, with time, error and memory, in one run.

    uv run python -m benchmarks.forward --supermage-python PATH [--kinms-python PATH] [--cases S M L] [--write]

The interpreters are those of environments with supermage==1.0.3 (and torch==2.13.0) or kinms==3.0.14. Mock
observations of a disc in the gravity of a Nuker law and a black hole are made here, by an array of 43 antennas that
the pixels resolve by a third of its beam, and gridded by vis_gridder. Each code gets the same cells and runs in a
process of its own, ours in three after each other; their calls alternate. SuperMAGE has its defaults (4 x 4 x 4
oversampling, half plane) and the Gaussians that our surrogate makes of the Nuker law, so that both have the same
gravity. Errors are against brute-force quadrature (`validation.thin_disc`); a quarter of its points shows that it has
converged. --write puts the tables into docs/kinematics.md.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from steelyard.cores import available_cores
from steelyard.process import process_environment

from benchmarks.forward_page import PAGE, page
from benchmarks.forward_problem import CASES, KINMS_CLOUDS
from benchmarks.peer_process import Worker, run_module

CHAINS = ("one chain", "four chains")
PROCESSES = 3
"""Number of our processes per case: the memory layout of a process changes its speed by a tenth."""
AS_COMMANDS = process_environment(available_cores())
"""Environment in which a process keeps memory, divides cores and uses vectors as `steelyard fit` does."""


def errors(path, reference, mask):
    """Largest and rms difference over cells with data, in units of the peak amplitude."""
    error = np.abs(np.load(path) - reference)[mask] / np.abs(reference).max()
    return {"worst": float(error.max()), "rms": float(np.sqrt(np.mean(error**2)))}


def summary(seconds):
    return {"median_s": statistics.median(seconds), "best_s": min(seconds)}


def one_case(name, folder, options):
    """Measure one case; return its numbers."""
    case = CASES[name]
    folder = folder / name
    folder.mkdir(exist_ok=True)
    # In a process of its own, so that this one stays small beside those that are timed.
    run_module("benchmarks.forward_case", folder)
    made = np.load(folder / "reference.npz")
    reference, mask = made["reference"], made["mask"]
    found = {"cells": int(mask.sum()), "reach": float(made["reach"]), "converged": float(made["change"])}
    rounds = options.rounds or case.rounds
    times = {name: [] for name in ("first", "ours", "supermage", "fine", "cube", "kinms")}
    with our_process(folder) as ours:
        found["compile_s"] = ours.ask("build", program="evaluation")["seconds"]
        times["first"] = turn(ours, 2 * case.calls, program="evaluation")
        found["memory"] = {"compiling": [ours.ask("memory")], "kept": [], "alone": []}
        ours.ask("visibilities", path=str(folder / "ours.npy"))
        for program in ("fine", *CHAINS, "cube"):  # for the processes below, which find them in the cache
            ours.ask("build", program=program)
    chains = []
    supermage = Worker("benchmarks.forward_supermage", folder / "cells.npz", interpreter=options.supermage_python)
    with supermage as theirs:
        theirs.ask("evaluate")
        for _ in range(PROCESSES):
            with our_process(folder) as ours:
                one_process(ours, theirs, case, rounds, found["memory"], times)
                chains.append(chains_ratio(ours, rounds))
        found["memory"]["supermage"] = [theirs.ask("memory")]
        theirs.ask("settle")
        theirs.ask("evaluate")
        found["memory"]["supermage_alone"] = [theirs.ask("memory")]
        theirs.ask("visibilities", path=str(folder / "supermage.npy"))
        found["versions"] = theirs.ask("versions")
    found["chains"] = chains
    found["errors"] = {code: errors(folder / f"{code}.npy", reference, mask) for code in ("ours", "supermage")}
    if options.kinms_python:
        clouds = f"{KINMS_CLOUDS:.0f}"
        with (
            our_process(folder) as ours,
            Worker(
                "benchmarks.forward_kinms", folder / "disc.npz", clouds, interpreter=options.kinms_python
            ) as theirs,
        ):
            ours.ask("build", program="cube")
            theirs.ask("evaluate")
            for _ in range(PROCESSES * rounds):
                times["cube"] += turn(ours, case.calls, program="cube")
                times["kinms"] += turn(theirs)
            found["versions"] |= theirs.ask("versions")
    return {**found, **{code: summary(seconds) for code, seconds in times.items() if seconds}}


def one_process(ours, theirs, case, rounds, memory, times):
    """Time one process of ours in alternation with SuperMAGE's, once it has taken its program from the cache."""
    ours.ask("build", program="evaluation")
    memory["kept"].append(ours.ask("memory"))
    ours.ask("settle")
    for _ in range(rounds):
        times["ours"] += turn(ours, case.calls, program="evaluation")
        times["supermage"] += turn(theirs)
    memory["alone"].append(ours.ask("memory"))
    ours.ask("build", program="fine")
    times["fine"] += turn(ours, case.calls, program="fine")


def chains_ratio(ours, rounds):
    """Return how much longer steps of four chains take than those of one, in one process."""
    times = {program: [] for program in CHAINS}
    for program in CHAINS:
        ours.ask("build", program=program)
    for _ in range(rounds):
        for program in CHAINS:
            times[program] += turn(ours, program=program)
    one, four = (statistics.median(times[program]) for program in CHAINS)
    return four / one


def turn(worker, calls=1, **arguments):
    """Seconds of some evaluations in a row, as in a chain; the first, in caches filled by others, is not counted."""
    worker.ask("evaluate", **arguments)
    return [worker.ask("evaluate", **arguments)["seconds"] for _ in range(calls)]


def our_process(folder):
    return Worker("benchmarks.forward_ours", folder, variables=AS_COMMANDS)


def main():
    parser = PAGE.parser(__doc__)
    parser.add_argument("--supermage-python", help="interpreter with supermage==1.0.3")
    parser.add_argument("--kinms-python", help="interpreter with kinms==3.0.14")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, help="calls of SuperMAGE beside a process of ours; 3, 2, 2 for S, M, L")
    options = parser.parse_args()
    if not options.supermage_python:
        parser.error("--supermage-python is needed: an interpreter with supermage==1.0.3 and torch==2.13.0")
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in options.cases:
            found[name] = one_case(name, Path(folder), options)
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    text = page(found)
    print(text)
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()
