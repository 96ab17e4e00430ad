"""Where MALA is the tool and where it is not: standard targets of known moments, beside NUTS.

    uv run python benchmarks/targets.py [--write] [--only WORD]

Each target is sampled by `sampler.sample` (4 chains, from the mode, until R-hat < 1.01 and ESS > 1000 of everything
whose moments are known, or 20,000 steps) and by BlackJAX's NUTS (4 chains, 1000 steps of window adaptation with a
dense metric, 2000 draws). Told: effective samples (bulk, worst quantity) per gradient of the frozen phase, and the
largest errors of means and standard deviations against the truth. --write puts the table into docs/targets.md.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from sampler import MalaConfig, Monitor, find_mode, sample, summarize
from targets_nuts import nuts
from targets_problems import all_targets, quantities_of

ROOT = Path(__file__).parents[1]
CONFIG = MalaConfig(seed=1, target_ess=1000.0, max_steps=20_000)
HEADER = """\
# Standard targets: MALA beside NUTS

Written by `uv run python benchmarks/targets.py --write`, which says what was done.

Errors are in the truth's standard deviations, the largest of all quantities with known moments; in brackets what
chance allows, three standard errors at the smallest ESS, for the sd that of squares. Gradients count once per chain
and step, sampling only.

| target | sampler | converged | ESS per gradient | error of the mean | error of the sd |
|---|---|---|---|---|---|
"""
FOOTER = """
Where one preconditioner fits, MALA gets more out of a gradient in few dimensions and NUTS in many. Where the scale
changes from place to place (funnel) or a ridge bends strongly (the sharpest banana), a constant preconditioner is the
wrong tool: reparametrise, or give it an approximation to jump by.
"""


def run_mala(target):
    starts = 0.5 * np.random.default_rng(0).standard_normal((8, target.dim))
    mode = find_mode(target.log_density, starts)
    result = sample(target.log_density, mode, CONFIG, monitor=Monitor(target.quantities))
    # Warm-up, mode search and the start count no gradient of the frozen phase.
    gradients = result.draws.shape[0] * result.draws.shape[1]
    return quantities_of(target, result.draws), gradients, ""


def run_nuts(target):
    starts = jnp.asarray(np.random.default_rng(2).standard_normal((4, target.dim)))
    found = nuts(target.log_density, starts, n_draws=2000, seed=1)
    note = f", {found.n_divergent} divergent" if found.n_divergent else ""
    return quantities_of(target, found.draws), found.n_gradients, note


def line(target, name, draws, gradients, note):
    summary = summarize(draws, target_ess=400.0)
    ess = float(np.min(summary.ess_bulk))
    # A chain that jumps from side to side knows the mean better than the width.
    ess_of_squares = float(np.min(summarize((draws - target.mean) ** 2).ess_bulk))
    mean = np.max(np.abs(summary.mean - target.mean) / target.sd)
    sd = np.max(np.abs(summary.sd / target.sd - 1))
    converged = (
        "yes" if summary.converged else f"no (R-hat {summary.max_rhat:.2f}, ESS {summary.min_ess:.0f})"
    ) + note
    return (
        f"| {target.name} | {name} | {converged} | {ess / gradients:.2g} | {mean:.3f} ({3 / np.sqrt(ess):.3f}) "
        f"| {sd:.3f} ({3 / np.sqrt(2 * ess_of_squares):.3f}) |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="targets with this in their name")
    parser.add_argument("--write", action="store_true", help="put the table into docs/targets.md")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write needs all targets: leave out --only")
    jax.config.update("jax_enable_x64", True)
    lines = []
    for target in all_targets():
        if arguments.only in target.name:
            for name, run in (("MALA", run_mala), ("NUTS", run_nuts)):
                lines.append(line(target, name, *run(target)))
                print(lines[-1], flush=True)
    if arguments.write:
        (ROOT / "docs" / "targets.md").write_text(HEADER + "\n".join(lines) + "\n" + FOOTER)


if __name__ == "__main__":
    main()
