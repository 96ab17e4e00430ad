"""The demo's galaxy fitted to viscube's own grid of its visibilities and to ours, parameter by parameter.

    uv run --with viscube==0.4.8 python -m benchmarks.viscube_posterior [--write] [--folder FOLDER] [--steps N]

viscube grids the shared mock_ngc4697 (STEELYARD_DATA, or shared/data beside the checkout) as its authors do, and the
`.npz` that SuperMAGE would read is fitted as it is by `steelyard.fit`. Our own grid of the same visibilities has the
same pixels and channels, and is told no more than the file tells: no dish, so no primary beam, and not where in their
cells the samples lie. A third fit is a yardstick, our grid once more with all errors from time differences, none from
the scatter within cells. Each takes minutes; --folder keeps them, and the same command goes on where it stopped.
--steps cuts the sampling short, to see that all works. --write puts the result into docs/viscube.md.
"""

import contextlib
import io
import os
import tarfile
import tempfile
import warnings
from pathlib import Path

import numpy as np
import viscube
from steelyard import fit
from steelyard.fitting.demo import unpack_demo
from steelyard_schemas import Galaxy, GriddedVisibilities, Store, read_model, read_store, write_store
from steelyard_schemas.galaxy import Data
from vis_gridder import GridSpec, grid, read_visibilities
from vis_gridder.gridding.grid import MOMENTS, GridWarning
from vis_gridder.readers.viscube.grid import read_viscube_grid

from benchmarks.viscube_file import save_viscube_grid
from validation import ROOT
from validation.page import DOCS, ResultPage, table

PAGE = ResultPage(DOCS / "viscube.md", "benchmarks.viscube_posterior", peers=("viscube==0.4.8",))
CELL_ARCSEC, NPIX = 0.12, 129
TOLERANCE_SIGMA = 0.2
NEVER = 10**9
"""Visibilities that a cell would need for its scatter to count."""
FITS = {"ours": "ours", "viscube": "viscube's file", "yardstick": "ours, time differences"}

TEXT = """\
Users of the authors' packages keep gridded visibilities as `.npz`. A galaxy file may name one:
`[data] path = "ngc4697.npz"`, without a grid. Here viscube {version} gridded the visibilities of the
[mock of NGC 4697](mock_ngc4697.md), {npix} x {npix} pixels of {cell} arcsec and {channels} channels. Its file was
fitted as it is, and so was our own grid of the same visibilities. For both, the model has no primary beam, since
such a file does not tell the dish, and takes the samples to fill their cells evenly.

Both keep the same {cells} cells, and their means agree to {mean:.1g} of the largest. What differs are the errors of
the cells: their ratio is {ratio:.3f} (median; 16 % to 84 %: {low:.3f} to {high:.3f}). In each channel viscube takes
the scatter within the cell, and in cells of fewer than five visibilities the median of a baseline's own differences
in time. When its file is read, errors are pooled over channels, as the scatter is in our own grid: from so few
visibilities, those of a single channel are noise themselves.

"""


def simulated_visibilities(folder):
    archive = Path(os.environ.get("STEELYARD_DATA", ROOT.parent / "shared" / "data")) / "mock_ngc4697.ms.tar.gz"
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return read_visibilities(folder / "mock_ngc4697.ms")


def as_little_known(gridded):
    """Drop what a file of viscube does not tell: the dish, and where in their cells the samples lie."""
    manifest = gridded.manifest
    observation = manifest.observation.model_copy(update={"dish_diameter_m": None})
    arrays = {name: array for name, array in gridded.arrays.items() if name not in MOMENTS}
    return Store(manifest.model_copy(update={"observation": observation, "cell_moments": False}), arrays)


def make_data(folder, rest_frequency_hz):
    """Grid both ways unless that is done; return the paths of what is fitted."""
    paths = {"ours": folder / "ours.zarr", "viscube": folder / "viscube.npz", "yardstick": folder / "yardstick.zarr"}
    if all(path.exists() for path in paths.values()):
        return paths
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as scratch,
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
        warnings.catch_warnings(),
    ):
        # Both leave out the same 0.3 % of baselines that are longer than the pixels resolve, and say so.
        warnings.simplefilter("ignore", GridWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        vis = simulated_visibilities(Path(scratch))
        for name, min_count in (("ours", 10), ("yardstick", NEVER)):
            spec = GridSpec(CELL_ARCSEC, NPIX, rest_frequency_hz=rest_frequency_hz, min_count=min_count)
            write_store(paths[name], as_little_known(grid(vis, spec)), overwrite=True)
        save_viscube_grid(paths["viscube"], vis, cell_arcsec=CELL_ARCSEC, npix=NPIX)
    return paths


def compared_cells(paths):
    """Return the facts about the cells of both grids that the text names."""
    ours, theirs = read_store(paths["ours"], GriddedVisibilities), read_viscube_grid(paths["viscube"])
    np.testing.assert_array_equal(ours["mask"], theirs["mask"])
    both = ours["mask"].copy()
    both[:, 0, 0] = False  # samples near zero baseline are turned to u >= 0 by us alone
    ratio = np.sqrt(theirs["variance"][both] / ours["variance"][both])
    low, median, high = np.percentile(ratio, [16, 50, 84])
    difference = np.abs(ours["mean"] - theirs["mean"])[both].max() / np.abs(ours["mean"][both]).max()
    # Both are kept in single precision, which tells no smaller differences.
    agreement = max(float(difference), float(np.finfo(np.float32).eps))
    facts = {"cells": int(ours["mask"].sum()), "channels": len(ours["frequency_hz"]), "mean": agreement}
    return facts | {"low": low, "ratio": median, "high": high}


def compared_parameters(posteriors):
    """Return lines of the table, and the largest difference of ours and viscube's in units of our sigma."""
    ours, theirs, yardstick = (
        {p.name: p for p in posteriors[name].manifest.parameters} for name in ("ours", "viscube", "yardstick")
    )
    head = ("parameter", "unit", "ours", "viscube's file")
    head += ("difference [sigma]", "ratio of widths", "yardstick [sigma]")
    rows = []
    largest = 0.0
    for name, p in ours.items():
        q, y = theirs[name], yardstick[name]
        difference = (q.mean - p.mean) / p.sd
        largest = max(largest, abs(difference))
        values = (f"{each.mean:.6g} ± {each.sd:.2g}" for each in (p, q))
        change = (f"{difference:+.2f}", f"{q.sd / p.sd:.2f}", f"{(y.mean - p.mean) / p.sd:+.2f}")
        rows.append((f"`{name}`", p.unit, *values, *change))
    return table(head, rows), largest


def main():
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=Path, help="keep data and fits here")
    parser.add_argument("--steps", type=int, help="steps per chain at most")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        galaxy = read_model(unpack_demo(folder / "demo"), Galaxy)
        if options.steps:
            short = {"max_steps": options.steps, "n_warmup": 50, "n_starts": 1}
            galaxy = galaxy.model_copy(update={"sampler": galaxy.sampler.model_copy(update=short)})
        paths = make_data(folder, galaxy.line.rest_frequency_hz)
        posteriors = {}
        for name, path in paths.items():
            data = Data(path=str(path.resolve()))
            posteriors[name] = fit(
                galaxy.model_copy(update={"data": data}),
                folder / f"fit-{name}",
                note=lambda line: print(line, flush=True),
            )
        lines, largest = compared_parameters(posteriors)
        facts = compared_cells(paths)
    lines += [
        f"Mean and standard deviation of the marginal posteriors; differences in our sigma, at most {largest:.2f}.",
        "The yardstick is our own grid with all errors from time differences instead: by so much two sound",
        "measurements of the noise move a posterior.",
        "",
    ]
    for name, label in FITS.items():
        manifest = posteriors[name].manifest
        rhat, ess = (f([getattr(p, k) for p in manifest.parameters]) for f, k in ((max, "rhat"), (min, "ess_bulk")))
        state = "converged" if manifest.converged else "not converged"
        quality = manifest.quality
        lines.append(
            f"- {label}: {state}, R-hat {rhat:.4f}, ESS {ess:.0f}, chi-square per datum "
            f"{quality.chi2 / quality.n_data:.4f} ({quality.n_data} data), {quality.wall_s:.0f} s."
        )
    text = TEXT.format(version=viscube.__version__, npix=NPIX, cell=CELL_ARCSEC, **facts) + "\n".join(lines) + "\n"
    print(text, end="")
    verdict = "within" if largest <= TOLERANCE_SIGMA else "BEYOND"
    print(f"\nlargest difference {largest:.2f} sigma: {verdict} {TOLERANCE_SIGMA}")
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()
