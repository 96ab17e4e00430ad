"""Figure with the mass posteriors of several fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde
from steelyard_schemas import ContractError, atomic_path

from steelyard.comparison.fits import Comparison, read_fit

__all__ = ["draw_masses"]

FORMATS = (".png", ".pdf", ".svg")


def draw_masses(comparison: Comparison, path: str | Path) -> None:
    """Draw the posteriors of log10 M_BH of several fits on one axis.

    Args:
        comparison: comparison of fits; fixed masses are drawn as lines.
        path: file to write, .png, .pdf or .svg; an existing file is replaced.

    Raises:
        ContractError: the file has another format.

    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ContractError(path, f"a figure is written as {', '.join(FORMATS)}")
    rows = comparison.rows
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    colors = colormaps["viridis"](np.linspace(0.0, 0.85, len(rows)))
    for row, color in zip(rows, colors, strict=True):
        label = f"{Path(row.folder).name}: {row.stars}" + ("" if row.converged else " (NOT CONVERGED)")
        store = read_fit(row.folder)
        if "posterior/log10_mbh" not in store.arrays:
            axes.axvline(row.black_hole.log10_mbh, color=color, linestyle=":", label=label)
            continue
        values = store["posterior/log10_mbh"].ravel()
        x = np.linspace(values.min(), values.max(), 400)
        density = gaussian_kde(values)(x)
        axes.plot(x, density, color=color, label=label, linestyle="-" if row.converged else "--")
        axes.fill_between(x, density, color=color, alpha=0.2, linewidth=0)
    axes.set(xlabel=r"$\log_{10}\,(M_{\rm BH}\,/\,M_\odot)$", ylabel="probability density")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    with atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=160)
