"""Are the error bars right? Simulation-based calibration, coverage, and what approximate likelihoods cost.

    uv run python -m validation.calibration --folder FOLDER [--n 200] [--parts prior posterior study] [--write]

Three parts, each of n small data sets (24 channels, 32 x 32 pixels, 15 parameters):

- prior: truths from the prior, data from the likelihood's own model. Ranks of the truths among the posterior's draws
  are uniform if, and on average only if, priors, coordinates, likelihood and sampler agree (Talts et al. 2018).
- posterior: the same, truths from the posterior of one data set, which the fits know too (Saeilynoja et al. 2025):
  calibration where that galaxy lies, instead of on average over the prior.
- study: variances estimated from few visibilities in each cell, as the paper's gridder takes them; each data set is
  fitted with all three likelihoods. Coverage and width of their intervals is what the approximations cost.

Every fit leaves one small record in the folder. The same command goes on where it was stopped, by Ctrl-C, a crash or
--seconds; several may work on one folder, as --shard 0/2 and --shard 1/2. --write puts figures and tables of what is
there into docs/calibration.md, and the records into validation/records/calibration.jsonl, from which a new folder
starts.
"""

import json
import time
from pathlib import Path

import jax
import numpy as np
from steelyard.process import settle_process

from validation.calibration.archive import pack, unpack
from validation.calibration.fits import Effort, fit_cells, keep, record
from validation.calibration.page import PAGE, write_page
from validation.calibration.problem import LIKELIHOODS, Calibration, together
from validation.records import RECORDS

PARTS = ("prior", "posterior", "study")
ARCHIVE = RECORDS / "calibration.jsonl"


def jobs(parts, n):
    """Yield (part, likelihood, index) of all fits: data set by data set, so that a part of them is a fair sample."""
    for index in range(n):
        for part in parts:
            for kind in LIKELIHOODS if part == "study" else LIKELIHOODS[:1]:
                yield part, kind, index


def path_of(folder, part, kind, index):
    """Return where the record of a fit is kept."""
    return folder / f"{part}-{kind}" / f"{index:04d}.json"


def generator(part, index):
    """Random numbers of one data set, which the likelihoods of the study share."""
    return np.random.default_rng([2026, PARTS.index(part), index])


def anchor(calibration, folder, effort):
    """Cells of the galaxy file's truth, and 1000 posterior draws of its parameters."""
    truth = calibration.scores([calibration.problem.galaxy.truth[name] for name in calibration.names])
    cells = calibration.observe(truth, "likelihood", generator("posterior", 2**31))
    path = folder / "anchor.json"
    if not path.exists():
        more = Effort(target_ess=1000.0, max_rhat=1.01, max_steps=20_000)
        problem = calibration.problem
        draws, result, _ = fit_cells(
            problem.parameters, problem.coordinates, cells, calibration.estimates(cells), more, seed=1
        )
        if not result.converged:
            raise SystemExit("the fit that posterior calibration starts from did not converge")
        flat = np.swapaxes(draws, 0, 1).reshape(-1, draws.shape[-1])
        keep(path, flat[np.linspace(0, len(flat) - 1, 1000).astype(int)].tolist())
    return cells, np.array(json.loads(path.read_text()))


def data_set(calibration, part, index, anchored):
    """Prior scores of the truth, its data, and a first look at them."""
    rng = generator(part, index)
    if part == "posterior":
        cells, draws = anchored
        # Data sets take draws from all over the chains, in an order that any number of them covers evenly.
        scores = calibration.scores(draws[np.random.default_rng(7).permutation(len(draws))[index % len(draws)]])
        own = calibration.observe(scores, "likelihood", rng)
        return scores, together(cells, own), calibration.estimates(own)
    scores = rng.standard_normal(len(calibration.names))
    cells = calibration.observe(scores, "estimated" if part == "study" else "likelihood", rng)
    return scores, cells, calibration.estimates(cells)


def claim(folder, calibration, effort):
    """Make the folder that of these settings, or refuse it."""
    settings = {"problem": calibration.identity, "effort": vars(effort)}
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text()) != settings:
        raise SystemExit(f"error: {folder} holds records of another calibration: choose another --folder")
    if not path.exists():
        keep(path, settings)


def main():
    """Make the fits that the folder lacks; with --write, the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the records are")
    parser.add_argument("--n", type=int, default=200, help="data sets of each part")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--shard", default="0/1", help="I/N: every N-th fit, starting with the I-th")
    parser.add_argument("--seconds", type=float, default=np.inf, help="start no fit after this time")
    arguments = parser.parse_args()
    settle_process()
    jax.config.update("jax_enable_x64", True)
    folder, effort = arguments.folder, Effort()
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    shard, shards = (int(part) for part in arguments.shard.split("/"))
    began = time.monotonic()
    wanted = list(jobs(arguments.parts, arguments.n))[shard::shards]
    calibration = Calibration.make()
    claim(folder, calibration, effort)
    unpack(ARCHIVE, folder)
    left = [job for job in wanted if not path_of(folder, *job).exists()]
    anchored = anchor(calibration, folder, effort) if any(job[0] == "posterior" for job in left) else None
    for done, (part, kind, index) in enumerate(left):
        if time.monotonic() - began > arguments.seconds:
            print(f"stopped after {done} of {len(left)} fits; the same command goes on from here")
            break
        scores, cells, estimates = data_set(calibration, part, index, anchored)
        found = record(calibration, kind, cells, estimates, calibration.truth(scores), effort, seed=index + 1)
        keep(path_of(folder, part, kind, index), found)
        spent = sum(found["seconds"].values())
        state = "" if found["converged"] else f", NOT CONVERGED (R-hat {found['max_rhat']}, ESS {found['min_ess']})"
        print(f"{done + 1}/{len(left)} {part} {kind} {index}: {spent:.1f} s{state}", flush=True)
    if arguments.write:
        write_page(folder, calibration.prior_sd(), PAGE)
        pack(folder, ARCHIVE)
