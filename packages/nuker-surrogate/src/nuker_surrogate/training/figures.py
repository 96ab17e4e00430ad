"""Figures of the errors: their maximum over the box of laws, and the ablations."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.stats import binned_statistic_2d
from steelyard_schemas.training import PERCENTILES

from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import limits
from nuker_surrogate.training.ablations import Row

_LABELS = (r"$\alpha$", r"$\beta - \gamma$", r"$\gamma$", r"$\log_{10}\,(r_b\,/\,\mathrm{pc})$")
_BINS = 10
_OFF_SCALE = 300.0  # per cent


def error_maps(box: Float, error: Float, title: str) -> Figure:
    """Draw the worst error in the box against each pair of parameters.

    Args:
        box: (n, 4) laws in box coordinates, see `domain`.
        error: (n,) relative error of each.
        title: title of the figure.
    """
    low, high = limits()
    figure = Figure(figsize=(9.6, 6.0), layout="compressed")
    norm = LogNorm(100 * max(np.percentile(error, 5), 1e-6), 100 * error.max())
    panels = figure.subplots(2, 3).ravel()
    for axes, (i, j) in zip(panels, combinations(range(4), 2), strict=True):
        ranges = ((low[i], high[i]), (low[j], high[j]))
        worst = binned_statistic_2d(box[:, i], box[:, j], 100 * error, "max", _BINS, ranges)
        mesh = axes.pcolormesh(worst.x_edge, worst.y_edge, worst.statistic.T, norm=norm, cmap="magma_r")
        axes.set(xlabel=_LABELS[i], ylabel=_LABELS[j])
        axes.set_box_aspect(1)
        axes.locator_params(nbins=5)  # fixed, so that the number of ticks does not change during layout
    figure.colorbar(mesh, ax=panels, label="worst relative error in the cell, per cent", shrink=0.8)
    figure.suptitle(title, fontsize=11)
    return figure


def ablation_figure(rows: Sequence[Row]) -> Figure:
    """Draw median, 95th and 99th percentile and worst error of every variant."""
    figure = Figure(figsize=(9.6, 0.32 * len(rows) + 1.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    place = -np.arange(len(rows))
    for axes, name, title in (
        (left, "circular_velocity", "circular velocity"),
        (right, "surface_density", "surface density"),
    ):
        values = 100 * np.array([getattr(row, name) for row in rows])
        axes.hlines(place, *np.minimum(values[:, [0, -1]], _OFF_SCALE).T, color="0.8", zorder=0)
        for k, (percentile, colour) in enumerate(
            zip(PERCENTILES, ("#2e86ab", "#8d7b9b", "#d1495b", "#222222"), strict=True)
        ):
            label = {50: "median", 100: "worst"}.get(percentile, f"{percentile} %")
            inside = values[:, k] < _OFF_SCALE
            axes.plot(values[inside, k], place[inside], "o", color=colour, markersize=4.5, label=label)
            axes.plot(np.full((~inside).sum(), _OFF_SCALE), place[~inside], ">", color=colour, markersize=4.5)
        axes.set(xscale="log", title=title, xlabel="worst relative error over 10 pc - 3 kpc, per cent")
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
    left.set_yticks(place, [row.name for row in rows])
    right.legend(frameon=False, loc="lower left", fontsize=8)
    return figure
