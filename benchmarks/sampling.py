"""Effective samples of log10 M_BH per second, beside SuperMAGE's MALA on the same data, and NUTS as a cross-check.

    uv run python -m benchmarks.sampling --supermage-python PATH [--seconds 600] [--write]

The data are case S of `forward.py`, the interpreter one with supermage==1.0.3 and torch==2.13.0. Eleven parameters
are sampled, the shape of the stars is known; both likelihoods are Gaussian. SuperMAGE samples its own model by its
own `mala`, four chains on both cores for --seconds, and is spared what its user would have to find: see
sampling_supermage.py. Ours is sampled as `steelyard fit` does, then by MALA alone, then by BlackJAX's NUTS. Codes run
one after the other, each in a process of its own. --write puts the tables into docs/sampling.md.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sampler import summarize

from benchmarks.forward import AS_COMMANDS
from benchmarks.forward_case import supermage_parameters
from benchmarks.peer_process import Worker, machine, run_module
from validation.page import DOCS, ResultPage, table
from validation.reference_disc import TRUTH

PAGE = ResultPage(DOCS / "sampling.md", "benchmarks.sampling", "--supermage-python PATH")
CASE = "S"
MASS = "log10_mbh"
CHAINS = 4
SAMPLERS = {
    "fit": "ours, as `steelyard fit`: MALA and jumps",
    "mala": "ours, MALA alone",
    "nuts": "ours, NUTS of BlackJAX",
    "supermage": "SuperMAGE 1.0.3, its `mala`",
}
AGREEMENT_SIGMA = 0.1


def run(folder, options):
    """Sample by all; return draws by sampler and parameter, and what each told of itself."""
    case = folder / CASE
    # In a process of its own, so that its memory is free again.
    case.mkdir(parents=True)
    run_module("benchmarks.forward_case", case)
    told, draws = {}, {}

    def ask(worker, name, **arguments):
        command = "sample" if name == "supermage" else name
        told[name] = worker.ask(command, out=str(folder / f"{name}.npz"), **arguments)
        draws[name] = dict(np.load(folder / f"{name}.npz"))
        print(name, told[name], file=sys.stderr, flush=True)

    supermage = {"interpreter": options.supermage_python}
    with Worker("benchmarks.sampling_ours", case, variables=AS_COMMANDS) as ours:
        ask(ours, "fit")
        ask(ours, "mala")
        with Worker("benchmarks.sampling_supermage", case / "cells.npz", **supermage) as peer:
            given = preconditioner(draws["fit"], case / "cells.npz")
            ask(peer, "supermage", **given, chains=CHAINS, seconds=options.seconds, seed=4)
        ask(ours, "nuts")
    draws["supermage"] = {MASS: draws["supermage"]["m_bh"]}
    return draws, told


def preconditioner(draws, cells):
    """Mean and Cholesky factor of the covariance of our draws, in SuperMAGE's parameters."""
    with np.load(cells) as content:
        ratio = float(content["at_flux"]) / TRUTH["flux_jykms"]
    theirs = supermage_parameters(draws, TRUTH, ratio * draws["flux_jykms"])
    flat = np.array([values.ravel() for values in theirs.values()])
    mean = dict(zip(theirs, flat.mean(axis=1).tolist(), strict=True))
    return {"mean": mean, "factor": np.linalg.cholesky(np.cov(flat)).tolist()}


def summary(draws):
    """Moments and bulk ESS of each parameter."""
    names = list(draws)
    found = summarize(np.stack([draws[name] for name in names], axis=-1).astype(float), names)
    return {
        name: {"mean": found.mean[i], "sd": found.sd[i], "ess": found.ess_bulk[i], "rhat": found.rhat[i]}
        for i, name in enumerate(names)
    }


TEXT = """\
In one run on {machine}; SuperMAGE was given {seconds:g} s.

Case S of [the forward benchmark](kinematics.md), eleven parameters, four chains. Seconds are those of sampling alone:
no warm-up, no search; gradients of ours are counted with those of warm-up and search.

{speed}
SuperMAGE was spared its warm-up: it was given our posterior's covariance as preconditioner, its own mode to start
from, and the step size that jumps farthest ({step_size:g}; acceptance {acceptance:.2f}), which is small where its
likelihood is rough: its lines are sums of delta functions in velocity. Its gradients were taken
{how}, which is faster here. Its ESS has to be read with its R-hat: if its MALA got as much out of
a gradient as ours, the ratio would be {ideal:.0f}. With everything counted for ours, compilation too ({all_s:.0f} s),
and nothing but sampling for SuperMAGE, the table's {ratio:.0f} becomes {all_in:.0f}. SuperMAGE's log10 M_BH is
{mass:.3f} ± {sd:.3f}, {offset:+.1f} of our sigma from ours; the truth is {truth:g}.

## The same posterior by three samplers

{moments}
NUTS agrees in mean to {shift:.3f} sigma and in width to {width:.1%}: {verdict} {limit:g}.
It had {divergent} divergent transitions.
"""


def speed_rows(draws, told, found, per_second):
    return [
        (
            SAMPLERS[name],
            str(draws[name][MASS].size),
            str(told[name]["n_gradients"]),
            f"{told[name]['seconds']:.0f}",
            f"{found[name][MASS]['ess']:.0f}",
            f"{found[name][MASS]['rhat']:.3f}",
            f"{rate:.3g}",
            f"{rate / per_second['supermage']:.0f}",
        )
        for name, rate in per_second.items()
    ]


def differences(found, name):
    """Differences of MALA and NUTS from the fit, by parameter: shift of the mean [sigma] and ratio of the widths."""
    return {
        parameter: (
            (found[name][parameter]["mean"] - ours["mean"]) / ours["sd"],
            found[name][parameter]["sd"] / ours["sd"],
        )
        for parameter, ours in found["fit"].items()
    }


def page(draws, told, seconds):
    """Write the numbers up."""
    found = {name: summary(values) for name, values in draws.items()}
    peer, ours, theirs = told["supermage"], found["fit"][MASS], found["supermage"][MASS]
    per_second = {name: found[name][MASS]["ess"] / told[name]["seconds"] for name in ("fit", "mala", "supermage")}
    head = ("sampler", "draws", "gradients", "s", "ESS of log10 M_BH", "R-hat", "ESS per s", "x SuperMAGE")
    mala, nuts = (differences(found, name) for name in ("mala", "nuts"))
    moments = [
        (
            f"`{name}`",
            f"{fit['mean']:.5g} ± {fit['sd']:.2g}",
            f"{mala[name][0]:+.3f}",
            f"{nuts[name][0]:+.3f}",
            f"{mala[name][1]:.3f}",
            f"{nuts[name][1]:.3f}",
            f"{found['nuts'][name]['ess']:.0f}",
        )
        for name, fit in found["fit"].items()
    ]
    columns = (
        "parameter",
        "fit",
        "MALA - fit, sigma",
        "NUTS - fit, sigma",
        "MALA / fit, sd",
        "NUTS / fit, sd",
        "ESS of NUTS",
    )
    shift = max(abs(difference) for difference, _ in nuts.values())
    width = max(abs(ratio - 1) for _, ratio in nuts.values())
    return TEXT.format(
        machine=machine(),
        seconds=seconds,
        speed="\n".join(table(head, speed_rows(draws, told, found, per_second))),
        step_size=peer["step_size"],
        acceptance=peer["acceptance"],
        how="for all chains at once" if peer["vmap"] else "chain by chain",
        ideal=per_second["fit"]
        / (peer["n_gradients"] / peer["seconds"] * found["mala"][MASS]["ess"] / draws["mala"][MASS].size),
        all_s=told["fit"]["all_s"],
        ratio=per_second["fit"] / per_second["supermage"],
        all_in=ours["ess"] / told["fit"]["all_s"] / per_second["supermage"],
        mass=theirs["mean"],
        sd=theirs["sd"],
        offset=(theirs["mean"] - ours["mean"]) / ours["sd"],
        truth=TRUTH[MASS],
        moments="\n".join(table(columns, moments)),
        shift=shift,
        width=width,
        verdict="within" if max(shift, width) <= AGREEMENT_SIGMA else "NOT within",
        limit=AGREEMENT_SIGMA,
        divergent=told["nuts"]["n_divergent"],
    )


def main():
    parser = PAGE.parser(__doc__)
    parser.add_argument("--supermage-python", required=True, help="interpreter with supermage==1.0.3")
    parser.add_argument("--seconds", type=float, default=600.0, help="SuperMAGE samples about so long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = page(*run(Path(folder), options), options.seconds)
    print(text)
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()
