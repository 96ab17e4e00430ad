"""Where MALA is the tool and where it is not: standard targets of known moments, beside NUTS.

    uv run python -m validation.targets [--write] [--only WORD]

Each target is sampled by `sampler.sample` (4 chains, from the mode, until R-hat < 1.01 and ESS > 1000 of everything
whose moments are known, or 20,000 steps) and by BlackJAX's NUTS (4 chains, 1000 steps of window adaptation with a
dense metric, 2000 draws). Told: effective samples (bulk, worst quantity) per gradient of the frozen phase, and the
largest errors of means and standard deviations against the truth. --write puts the table into docs/targets.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
from sampler import MalaConfig, Monitor, find_mode, sample, summarize

from validation.page import DOCS, ResultPage, table
from validation.targets.nuts import nuts
from validation.targets.problems import all_targets, quantities_of

PAGE = ResultPage(DOCS / "targets.md", "validation.targets")
CONFIG = MalaConfig(seed=1, target_ess=1000.0, max_steps=20_000)
COLUMNS = ("target", "sampler", "converged", "ESS per gradient", "error of the mean", "error of the sd")


def run_mala(target):
    """Return quantities of the draws, gradients, and an empty note."""
    starts = 0.5 * np.random.default_rng(0).standard_normal((8, target.dim))
    mode = find_mode(target.log_density, starts)
    result = sample(target.log_density, mode, CONFIG, monitor=Monitor(target.quantities))
    # Warm-up, mode search and the start count no gradient of the frozen phase.
    gradients = result.draws.shape[0] * result.draws.shape[1]
    return quantities_of(target, result.draws), gradients, ""


def run_nuts(target):
    """Return quantities of the draws, gradients, and a note of divergences."""
    starts = jnp.asarray(np.random.default_rng(2).standard_normal((4, target.dim)))
    found = nuts(target.log_density, starts, n_draws=2000, seed=1)
    note = f", {found.n_divergent} divergent" if found.n_divergent else ""
    return quantities_of(target, found.draws), found.n_gradients, note


def row(target, name, draws, gradients, note):
    """Return the cells of one target and sampler."""
    summary = summarize(draws, target_ess=400.0)
    ess = float(np.min(summary.ess_bulk))
    # A chain that jumps from side to side knows the mean better than the width.
    ess_of_squares = float(np.min(summarize((draws - target.mean) ** 2).ess_bulk))
    mean = np.max(np.abs(summary.mean - target.mean) / target.sd)
    sd = np.max(np.abs(summary.sd / target.sd - 1))
    converged = (
        "yes" if summary.converged else f"no (R-hat {summary.max_rhat:.2f}, ESS {summary.min_ess:.0f})"
    ) + note
    errors = f"{mean:.3f} ({3 / np.sqrt(ess):.3f})", f"{sd:.3f} ({3 / np.sqrt(2 * ess_of_squares):.3f})"
    return (target.name, name, converged, f"{ess / gradients:.2g}", *errors)


def main():
    """Sample all targets by both; with --write, write the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--only", default="", help="targets with this in their name")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write needs all targets: leave out --only")
    jax.config.update("jax_enable_x64", True)
    rows = []
    for target in all_targets():
        if arguments.only in target.name:
            for name, run in (("MALA", run_mala), ("NUTS", run_nuts)):
                rows.append(row(target, name, *run(target)))
                print(*rows[-1], sep=" | ", flush=True)
    if arguments.write:
        PAGE.write("\n".join(table(COLUMNS, rows)))
