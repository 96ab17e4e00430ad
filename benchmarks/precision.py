"""What single precision in the forward model does to posteriors: finished fits, reweighted to double precision.

    uv run python benchmarks/precision.py FIT [FIT ...] [--draws 400] [--write]

FIT is the folder of a finished `steelyard fit` (or demo, or a galaxy's folder within a survey), with its checkpoint.
At draws spread over all chains the log-density is evaluated twice: as the fit did, by a model in single precision,
and by the same model in double precision. Weights proportional to the ratio of the two densities turn the draws into
ones of the posterior that a fit in double precision would have had, so that both are compared draw by draw, free of
the noise that two runs would differ by. Sampler's points and the sum over cells are in double precision in either.
--write puts the table into docs/precision.md.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from forward_page import table
from sampler import load_checkpoint
from steelyard.coordinates import sampled_parameters
from steelyard.density import log_density
from steelyard.fitting import prepare
from steelyard_schemas import GriddedVisibilities, Posterior, read_store

PAGE = Path(__file__).resolve().parents[1] / "docs" / "precision.md"
TOLERANCE_SIGMA = 0.05

TEXT = """\
# Single precision in the forward model

Written by `uv run python benchmarks/precision.py FIT ... --write`.

The model of the visibilities is computed in single precision; the sampler's points, priors and the sum over cells
are in double precision. Here finished fits are reweighted to what they would be with all in double precision:
log-densities of both at {draws} draws of each. Told are the standard deviation over draws of the difference of the
log-densities (a constant does not matter), the largest change of a parameter's posterior mean in units of its
standard deviation, that of log10 M_BH, the largest relative change of a standard deviation, and the effective number
of draws after weighting over that before.

"""


class Comparison(NamedTuple):
    """Of one fit, double against single precision; arrays by sampled parameter."""

    name: str
    cells: int
    names: tuple[str, ...]
    scatter: float
    shift_sigma: np.ndarray
    width_change: np.ndarray
    effective: float


def compare(folder, n_draws):
    """Reweight the draws of a finished fit."""
    galaxy = read_store(folder / "posterior.zarr", Posterior).manifest.galaxy
    data = read_store(folder / "gridded.zarr", GriddedVisibilities)
    checkpoint = load_checkpoint(folder / "checkpoint.npz")
    draws = checkpoint.state.draws
    flat = draws.reshape(-1, draws.shape[-1])  # step by step, all chains of each
    points = flat[np.linspace(0, len(flat) - 1, min(n_draws, len(flat))).astype(int)]
    values, parameters = {}, {}
    for dtype in (jnp.float32, jnp.float64):
        problem = prepare(galaxy, data, dtype)
        if checkpoint.fingerprint != problem.identity:
            raise SystemExit(f"error: {folder} holds chains of other inputs than its posterior and data")
        arguments = (problem.coordinates, problem.cells)
        evaluate = jax.jit(lambda points, *arguments: jax.lax.map(lambda z: log_density(z, *arguments), points))
        values[dtype] = np.asarray(evaluate(points, *arguments))
        parameters[dtype] = sampled_parameters(problem.coordinates, points)
    difference = values[jnp.float64] - values[jnp.float32]
    weight = np.exp(difference - difference.max())
    weight /= weight.sum()
    single, double = parameters[jnp.float32], parameters[jnp.float64]
    mean, sd = single.mean(axis=0), single.std(axis=0)
    mean_double = weight @ double
    sd_double = np.sqrt(weight @ (double - mean_double) ** 2)
    return Comparison(
        galaxy.name,
        int(data["mask"].sum()),
        tuple(problem.coordinates.space.names),
        float(difference.std()),
        (mean_double - mean) / sd,
        sd_double / sd - 1,
        float(1 / np.sum(weight**2) / len(weight)),
    )


def page(found, draws):
    """Write the numbers up."""
    head = ["fit", "cells", "log-density", "largest change [sigma]", "log10 M_BH", "of a width", "draws kept"]
    rows = []
    for one in found:
        worst = int(np.argmax(np.abs(one.shift_sigma)))
        mass = f"{one.shift_sigma[one.names.index('log10_mbh')]:+.4f}" if "log10_mbh" in one.names else "-"
        rows.append(
            [
                *(one.name, str(one.cells), f"{one.scatter:.4f}"),
                f"{one.shift_sigma[worst]:+.4f} ({one.names[worst]})",
                *(mass, f"{np.abs(one.width_change).max():.2%}", f"{one.effective:.2%}"),
            ]
        )
    largest = max(np.abs(one.shift_sigma).max() for one in found)
    verdict = "within" if largest <= TOLERANCE_SIGMA else "beyond"
    last = f"All means are {verdict} {TOLERANCE_SIGMA} sigma of each other: the largest change is {largest:.4f}.\n"
    return TEXT.format(draws=draws) + "\n".join([*table(head, rows), last])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fits", type=Path, nargs="+", metavar="FIT", help="folder of a finished fit")
    parser.add_argument("--draws", type=int, default=400, help="of each fit")
    parser.add_argument("--write", action="store_true", help="put the table into docs/precision.md")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    found = []
    for i, folder in enumerate(arguments.fits):
        print(f"{i + 1}/{len(arguments.fits)} {folder}", flush=True)
        found.append(compare(folder, arguments.draws))
    text = page(found, arguments.draws)
    print(text)
    if arguments.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
