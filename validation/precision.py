"""What single precision and the size of subcells do to posteriors: finished fits, reweighted to a better model.

    uv run python -m validation.precision FIT [FIT ...] [--draws 400] [--write]

FIT is the folder of a finished `steelyard fit` (or demo, or a galaxy's folder within a survey), with its checkpoint.
At draws spread over all chains the log-density is evaluated three times: as the fit did, by the same model in double
precision, and by one in double precision with subcells of half the side. Weights proportional to the ratio of
densities turn the draws into ones of the posterior that a fit by the better model would have had, so that both are
compared draw by draw, free of the noise that two runs would differ by. The sampler's points and the sum over cells
are in double precision in either. --write puts the tables into docs/precision.md.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from kinematics import finer
from sampler import load_checkpoint
from steelyard.inference.coordinates import sampled_parameters
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard_schemas import GriddedVisibilities, Posterior, read_store

from validation.page import DOCS, ResultPage, table

PAGE = ResultPage(DOCS / "precision.md", "validation.precision", "FIT ...")
TOLERANCE_SIGMA = 0.05


class Comparison(NamedTuple):
    """A better model against that of a fit; arrays by sampled parameter."""

    scatter: float
    shift_sigma: np.ndarray
    width_change: np.ndarray
    effective: float


class Fit(NamedTuple):
    """A finished fit and what better models make of it."""

    name: str
    cells: int
    names: tuple[str, ...]
    double: Comparison
    finer: Comparison


def compare(folder, n_draws):
    """Reweight the draws of a finished fit."""
    manifest = read_store(folder / "posterior.zarr", Posterior).manifest
    data = read_store(folder / "gridded.zarr", GriddedVisibilities)
    checkpoint = load_checkpoint(folder / "checkpoint.npz")
    draws = checkpoint.state.draws
    flat = draws.reshape(-1, draws.shape[-1])  # step by step, all chains of each
    points = flat[np.linspace(0, len(flat) - 1, min(n_draws, len(flat))).astype(int)]
    single, double = (
        prepare(manifest.galaxy, data, dtype).with_subcells(manifest.quality.subcells)
        for dtype in (jnp.float32, jnp.float64)
    )
    if checkpoint.fingerprint != single.identity:
        raise SystemExit(f"error: {folder} holds chains of other inputs than its posterior and data")
    model = double.model
    finer_model = model.with_levels(finer(model.grid.levels))
    as_fitted = densities(single.coordinates, single.cells, points)
    better = [
        reweighted(single.coordinates, as_fitted, coordinates, densities(coordinates, double.cells, points), points)
        for coordinates in (double.coordinates, double.coordinates.with_model(finer_model))
    ]
    return Fit(manifest.galaxy.name, int(data["mask"].sum()), tuple(single.coordinates.space.names), *better)


def densities(coordinates, cells, points):
    """Log-density at points (n, dim), one after the other."""
    evaluate = jax.jit(lambda points, *arguments: jax.lax.map(lambda z: log_density(z, *arguments), points))
    return np.asarray(evaluate(points, coordinates, cells))


def reweighted(coordinates, values, better_coordinates, better_values, points):
    """Compare draws as they are with the same draws weighted by a better density."""
    difference = better_values - values
    weight = np.exp(difference - difference.max())
    weight /= weight.sum()
    fitted, better = (sampled_parameters(each, points) for each in (coordinates, better_coordinates))
    mean, sd = fitted.mean(axis=0), fitted.std(axis=0)
    better_mean = weight @ better
    better_sd = np.sqrt(weight @ (better - better_mean) ** 2)
    return Comparison(
        float(difference.std()),
        (better_mean - mean) / sd,
        better_sd / sd - 1,
        float(1 / np.sum(weight**2) / len(weight)),
    )


def page(found, draws):
    """Write the numbers up."""
    tables = []
    for title, attribute in (("Double precision", "double"), ("And subcells of half the side", "finer")):
        head = ["fit", "cells", "log-density", "largest change [sigma]", "log10 M_BH", "of a width", "draws kept"]
        rows = []
        for fit in found:
            one = getattr(fit, attribute)
            worst = int(np.argmax(np.abs(one.shift_sigma)))
            mass = f"{one.shift_sigma[fit.names.index('log10_mbh')]:+.4f}" if "log10_mbh" in fit.names else "-"
            rows.append(
                [
                    *(fit.name, str(fit.cells), f"{one.scatter:.4f}"),
                    f"{one.shift_sigma[worst]:+.4f} ({fit.names[worst]})",
                    *(mass, f"{np.abs(one.width_change).max():.2%}", f"{one.effective:.2%}"),
                ]
            )
        largest = max(np.abs(getattr(fit, attribute).shift_sigma).max() for fit in found)
        verdict = "within" if largest <= TOLERANCE_SIGMA else "beyond"
        last = (
            f"All means are {verdict} {TOLERANCE_SIGMA} sigma of each other: the largest change is {largest:.4f}.\n"
        )
        tables += [f"## {title}", "", *table(head, rows), last]
    return "\n".join([f"At {draws} draws of each fit.", "", *tables])


def main():
    """Reweight the draws of all fits; with --write, write the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("fits", type=Path, nargs="+", metavar="FIT", help="folder of a finished fit")
    parser.add_argument("--draws", type=int, default=400, help="of each fit")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    found = []
    for i, folder in enumerate(arguments.fits):
        print(f"{i + 1}/{len(arguments.fits)} {folder}", flush=True)
        found.append(compare(folder, arguments.draws))
    text = page(found, arguments.draws)
    print(text)
    if arguments.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()
