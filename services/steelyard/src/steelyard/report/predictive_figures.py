"""Figures of the predictive checks: chi-square, predicted moments, priors against posteriors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from steelyard_schemas.ingredients import PARAMETERS

from steelyard.fitting.contraction import UNCONSTRAINED_BELOW, contraction, prior_quantiles
from steelyard.galaxy.parameters import sampler_prior
from steelyard.report.figures import DATA, MODEL, STARS, beam_ellipse, sky_map
from steelyard.report.predictive import best_misfit, predicted_moments
from steelyard.report.products import Products

__all__ = ["chi_square", "moment_maps", "prior_to_posterior"]

N_LENGTHS = 16


def chi_square(products: Products) -> Figure:
    """Draw chi-square per datum of the best draw: over the uv plane, per channel and against baseline length."""
    misfit = best_misfit(products)
    u, v = (products.data_store[name] / 1e3 for name in ("u_wavelengths", "v_wavelengths"))
    length = np.hypot(u[None, :], v[:, None])
    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    panels = figure.subplot_mosaic([["plane", "channels"], ["plane", "lengths"]], width_ratios=(1, 1.15))
    _plane(panels["plane"], u, v, *misfit.reduced(axis=0))
    _series(panels["channels"], products.radio_kms, *misfit.reduced(axis=(1, 2)))
    panels["channels"].set_xlabel("velocity, radio [km/s]")
    filled = misfit.used.any(axis=0)
    # Equal numbers of cells per bin make the bands about equally wide.
    n_bins = int(np.clip(filled.sum() // 4, 2, N_LENGTHS))
    edges = np.quantile(length[filled], np.linspace(0, 1, n_bins + 1))
    bins = np.clip(np.searchsorted(edges, length[filled], side="right") - 1, 0, n_bins - 1)
    n, chi2, variance, where = (
        np.bincount(bins, weights[filled], n_bins)
        for weights in (2.0 * misfit.used.sum(0), misfit.chi2.sum(0), misfit.variance.sum(0), filled * length)
    )
    held = n > 0
    where = where[held] / np.bincount(bins, minlength=n_bins)[held]
    _series(panels["lengths"], where, chi2[held] / n[held], np.sqrt(variance[held]) / n[held])
    panels["lengths"].set_xlabel(r"baseline length [k$\lambda$]")
    return figure


def _plane(axes: Axes, u: np.ndarray, v: np.ndarray, reduced: np.ndarray, sd: np.ndarray) -> None:
    """Draw a half plane and its mirror image; a real sky is symmetric, V(-u, -v) = conj V(u, v)."""
    order = np.argsort(v)
    half = reduced[order]
    steps = np.concatenate([-u[:0:-1], u])
    image = np.full((len(v), len(steps)), np.nan)
    image[:, len(u) - 1 :] = half
    for row, value in enumerate(v[order]):
        opposite = np.flatnonzero(np.isclose(v[order], -value))
        if opposite.size:
            image[row, : len(u) - 1] = half[opposite[0], :0:-1]
            if np.isnan(image[row, len(u) - 1]):
                image[row, len(u) - 1] = half[opposite[0], 0]
    reach = min(4 * float(np.nanmedian(sd)), 1.0)
    shown = axes.pcolormesh(steps, v[order], image, cmap="RdBu_r", vmin=1 - reach, vmax=1 + reach, shading="nearest")
    filled = np.isfinite(image)
    edge = 1.05 * max(np.abs(steps)[filled.any(axis=0)].max(), np.abs(v[order])[filled.any(axis=1)].max())
    axes.set(xlim=(-edge, edge), ylim=(-edge, edge), xlabel=r"$u$ [k$\lambda$]", ylabel=r"$v$ [k$\lambda$]")
    axes.set_aspect("equal")
    axes.set_facecolor("0.93")
    axes.figure.colorbar(shown, ax=axes, label="chi-square per datum, all channels", shrink=0.9)


def _series(axes: Axes, x: np.ndarray, value: np.ndarray, sd: np.ndarray) -> None:
    """Draw chi-square per datum with the one- and two-sigma bands expected from noise alone."""
    order = np.argsort(x)
    x, value, sd = x[order], value[order], sd[order]
    for factor, shade in ((2, "0.92"), (1, "0.84")):
        axes.fill_between(x, 1 - factor * sd, 1 + factor * sd, color=shade, linewidth=0, step="mid")
    axes.axhline(1, color="0.45", linewidth=0.8)
    axes.plot(x, value, "o", color=MODEL, markersize=3.5)
    axes.set_ylabel("chi-square per datum")
    axes.margins(x=0.02)


def moment_maps(products: Products) -> Figure:
    """Draw moments 0, 1, 2 of the data and of the posterior prediction, and their difference in sigma."""
    maps = predicted_moments(products)
    figure = Figure(figsize=(10.2, 8.6), layout="compressed")
    grid = figure.subplots(3, 3, sharex=True, sharey=True)
    data, median, deviation = maps.data, maps.median, maps.deviation
    spread = _reach(median.velocity_kms)
    widest = _reach(median.dispersion_kms)
    brightest = float(np.nanmax(data.integrated))
    rows = (
        ("integrated", "Jy/beam km/s", {"cmap": "magma", "vmin": 0.0, "vmax": brightest}),
        ("velocity_kms", r"velocity about $v_{\rm sys}$ [km/s]", {"cmap": "RdBu_r", "vmin": -spread, "vmax": spread}),
        ("dispersion_kms", "width [km/s]", {"cmap": "viridis", "vmin": 0.0, "vmax": widest}),
    )
    for row, (field, unit, style) in zip(grid, rows, strict=True):
        for axes, which in zip(row[:2], (data, median), strict=True):
            shown = sky_map(axes, getattr(which, field), products, 4, **style)
        apart = sky_map(row[2], getattr(deviation, field), products, 4, cmap="RdBu_r", vmin=-4, vmax=4)
        figure.colorbar(shown, ax=row[:2], label=unit, pad=0.01)
        figure.colorbar(apart, ax=row[2], label="sigma", pad=0.02)
        row[2].set_facecolor("0.93")
    for axes, title in zip(grid[0], ("data", "posterior prediction", "data - prediction"), strict=True):
        axes.set_title(title)
    figure.supxlabel("east [arcsec]", fontsize=10)
    figure.supylabel("north [arcsec]", fontsize=10)
    beam_ellipse(grid[0][0], products)
    return figure


def _reach(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(np.quantile(finite, 0.99)) if finite.size else 1.0


def prior_to_posterior(products: Products) -> Figure:
    """Draw each posterior in quantiles of its prior; a bar that spans the panel means no constraint."""
    names = products.names
    figure = Figure(figsize=(7.6, 0.34 * len(names) + 1.3), layout="constrained")
    axes = figure.subplots()
    for row, parameter in enumerate(reversed(products.manifest.parameters)):
        prior = sampler_prior(parameter.prior)
        assert not isinstance(prior, float)  # a sampled parameter has a prior
        draws = products.draws[..., names.index(parameter.name)]
        value = contraction(draws, prior)
        low, q16, median, q84, high = np.quantile(prior_quantiles(draws, prior), [0.025, 0.16, 0.5, 0.84, 0.975])
        color = MODEL if value < UNCONSTRAINED_BELOW else STARS
        axes.hlines(row, low, high, color=color, linewidth=2)
        axes.hlines(row, q16, q84, color=color, linewidth=7)
        axes.plot(median, row, "o", color="white", markeredgecolor=color, markersize=5)
        axes.text(1.02, row, f"{value:z.2f}", va="center", color=DATA, transform=axes.get_yaxis_transform())
    labels = [PARAMETERS[name].label for name in reversed(names)]
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4), xlabel="quantile of the prior")
    axes.text(1.02, 1.01, "contraction", va="bottom", fontsize=9, transform=axes.transAxes)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure
