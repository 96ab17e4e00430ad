"""Write the result of a fit into a page of docs/, between its markers, with the figures beside it.

    uv run python -m tools.write_result FIT_FOLDER docs/PAGE.md

The page keeps its own text; what stands between `<!-- result -->` and `<!-- end of result -->` is replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from steelyard.report import write_report
from steelyard.report.page import headline
from steelyard.report.products import Products
from steelyard_schemas import ContractError, GriddedVisibilities, Posterior, read_store

from validation.page import around_result, table, write_result

COLUMNS = ("parameter", "unit", "median", "-1 sigma", "+1 sigma", "R-hat", "ESS")
SHOWN = ("mass", "rotation", "channels", "moments", "position_velocity", "spectrum")


def result(folder: Path, page: Path) -> str:
    """The text between the markers."""
    images = page.parent / "img" / page.stem
    write_report(folder, figure_folder=images)
    posterior = read_store(folder / "posterior.zarr", Posterior)
    manifest = posterior.manifest
    truth = manifest.galaxy.truth
    head = (*COLUMNS, "truth", "pull") if truth else COLUMNS
    rows = []
    for p in manifest.parameters:
        ess = "-" if p.ess_bulk is None or p.ess_tail is None else f"{min(p.ess_bulk, p.ess_tail):.0f}"
        row = [f"`{p.name}`", p.unit, f"{p.median:.6g}", f"{p.median - p.q16:.2g}", f"{p.q84 - p.median:.2g}"]
        row += ["-" if p.rhat is None else f"{p.rhat:.4f}", ess]
        if truth:
            known = truth.get(p.name)
            row += ["", ""] if known is None else [f"{known:.6g}", f"{(p.mean - known) / p.sd:+.2f}"]
        rows.append(row)
    lines = [
        f"**{headline(manifest.black_hole)}** ({'converged' if manifest.converged else 'NOT converged'}).",
        f"{manifest.black_hole.reason[0].upper()}{manifest.black_hole.reason[1:]}.",
        "",
        *table(head, rows),
    ]
    quality = manifest.quality
    products = Products(posterior, read_store(folder / "gridded.zarr", GriddedVisibilities))
    residual = np.abs(products.spectrum(products.residual)).max() / np.abs(products.spectrum(products.data)).max()
    lines += [
        f"Chi-square per datum {quality.chi2 / quality.n_data:.4f} ({quality.n_data} data); largest residual of the "
        f"integrated spectrum {residual:.1%} of the data's peak; acceptance rate {quality.acceptance_rate:.2f}; "
        f"{quality.n_gradients} gradients and {quality.n_jumps} jumps in {quality.wall_s:.0f} s.",
        "",
        *(f"![{name.replace('_', ' ')}](img/{page.stem}/{name}.png)" for name in SHOWN),
    ]
    for unused in images.glob("*.png"):
        if unused.stem not in SHOWN:
            unused.unlink()
    return "\n".join(lines)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder, page = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        around_result(page)  # before the figures are made
        write_result(page, result(folder, page))
    except ContractError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
