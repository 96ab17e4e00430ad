"""Figures of the report, each a function of the products."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import corner
import numpy as np
from kinematics import C_KMS, optical_velocity_kms, pc_per_arcsec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Ellipse
from steelyard_schemas.ingredients import PARAMETERS

from steelyard.galaxy.parameters import prior_range
from steelyard.report.products import Products
from steelyard.report.rounding import decimals

__all__ = [
    "channel_maps",
    "corner_plot",
    "mass_posterior",
    "position_velocity",
    "rotation_curve",
    "spectrum",
    "traces",
]

DATA, MODEL, STARS = "#222222", "#d1495b", "#2e86ab"
# Total, stars, black hole, then other components: palette of Okabe & Ito; dashes distinguish them in grey.
CURVES = ((MODEL, "-"), (STARS, "-"), (DATA, "-"), ("#e69f00", "--"), ("#009e73", "-."), ("#cc79a7", ":"))
# v_optical = c (f_rest / f - 1) from v_radio = c (1 - f / f_rest), and its inverse, for `secondary_axis`.
RADIO_TO_OPTICAL = (optical_velocity_kms, lambda optical: optical / (1 + optical / C_KMS))


def mass_posterior(products: Products) -> Figure:
    """Draw the posterior of the black-hole mass with its prior."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.subplots()
    hole = products.manifest.black_hole
    if "log10_mbh" in products.names:
        values = products.draws[..., products.names.index("log10_mbh")].ravel()
        prior = next(p.prior for p in products.manifest.parameters if p.name == "log10_mbh")
        low, high = prior_range(prior)
        shown = (low, high) if hole.verdict != "measured" else _around(values)
        axes.hist(values, bins=60, range=shown, density=True, color=STARS, alpha=0.85, label="posterior")
        if prior.kind == "uniform":
            axes.hlines(1 / (high - low), *shown, color="0.45", linestyle="--", label="prior")
        if hole.verdict == "upper_limit":
            axes.axvline(hole.log10_mbh_upper95, color=MODEL, label="95 % upper limit")
        axes.set_xlim(*shown)
    if (truth := products.manifest.galaxy.truth.get("log10_mbh")) is not None:
        axes.axvline(truth, color=MODEL, linewidth=2, label=f"truth {truth:.3f}")
    axes.set(xlabel=r"$\log_{10}\,(M_{\rm BH}\,/\,M_\odot)$", ylabel="probability density")
    # The legend goes above the axes, which a posterior equal to its prior fills completely.
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return figure


def _around(values: np.ndarray) -> tuple[float, float]:
    middle, sd = float(np.median(values)), float(values.std())
    return middle - 6 * sd, middle + 6 * sd


def corner_plot(products: Products) -> Figure:
    """Draw the marginal posteriors of all parameters and pairs."""
    flat = products.draws.reshape(-1, len(products.names))
    truth = products.manifest.galaxy.truth
    truths = [truth.get(name) for name in products.names]
    sd = {p.name: p.sd for p in products.manifest.parameters}
    side = 1.25 * len(products.names) + 0.8
    figure = Figure(figsize=(side, side))
    corner.corner(
        flat,
        fig=figure,
        labels=[PARAMETERS[name].label for name in products.names],
        range=[_with_truth(*each) for each in zip(flat.T, truths, strict=True)],
        truths=truths if any(t is not None for t in truths) else None,
        truth_color=MODEL,
        color=STARS,
        quantiles=[0.16, 0.5, 0.84],
        show_titles=True,
        title_fmt=[f".{decimals(sd[name])}f" for name in products.names],
        title_kwargs={"fontsize": 8},
        label_kwargs={"fontsize": 10},
        max_n_ticks=3,
        plot_datapoints=False,
        fill_contours=True,
        # Four thousand draws suffice for 30 bins; with fewer, shot noise would look like structure.
        bins=30 if len(flat) > 4000 else 18,
        smooth=0.8,
    )
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
    return figure


def _with_truth(values: np.ndarray, truth: float | None) -> tuple[float, float]:
    """Range of the values, including their truth unless it is far off."""
    low, high = float(values.min()), float(values.max())
    sd = float(values.std())
    if truth is None or abs(truth - values.mean()) > 6 * sd:
        return low, high
    return min(low, truth - 0.3 * sd), max(high, truth + 0.3 * sd)


def rotation_curve(products: Products) -> Figure:
    """Draw the circular velocity and that of each mass component, with 68 % bands."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    bands = products.rotation
    curves = {"total": bands.total_kms, **bands.parts_kms}
    for (label, values), (color, dashes) in zip(curves.items(), cycle(CURVES), strict=False):
        axes.fill_between(bands.radius_arcsec, values[0], values[2], color=color, alpha=0.25, linewidth=0)
        axes.plot(bands.radius_arcsec, values[1], dashes, color=color, label=label)
    axes.axvspan(0, 0.5 * products.beam.minor_arcsec, color="0.92", zorder=0, label="within half a beam")
    axes.set_xscale("log")
    axes.set_xlim(bands.radius_arcsec[0], bands.radius_arcsec[-1])
    axes.set_ylim(0, 1.15 * float(bands.total_kms[2].max()))
    axes.set(xlabel="radius [arcsec]", ylabel="circular velocity [km/s]")
    scale = float(pc_per_arcsec(products.best["distance_mpc"]))
    top = axes.secondary_xaxis("top", functions=(lambda r: np.asarray(r) * scale, lambda r: np.asarray(r) / scale))
    top.set_xlabel("radius [pc]")
    axes.legend(frameon=False, ncols=2)
    return figure


def spectrum(products: Products) -> Figure:
    """Draw the flux density in the disc's aperture per channel: data, model and residual."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    v = products.radio_kms
    mjy = 1e3
    data, model = products.spectrum(products.data) * mjy, products.spectrum(products.modelled) * mjy
    upper.step(v, data, where="mid", color=DATA, label="data")
    upper.step(v, model, where="mid", color=MODEL, label="model")
    upper.set_ylabel("flux density [mJy]")
    upper.legend(frameon=False)
    lower.step(v, data - model, where="mid", color=DATA)
    lower.axhline(0, color=MODEL, linewidth=1)
    peak = float(np.abs(data).max())
    lower.axhspan(-0.2 * peak, 0.2 * peak, color="0.93", zorder=0)
    lower.set(xlabel="velocity, radio [km/s]", ylabel="residual")
    upper.secondary_xaxis("top", functions=RADIO_TO_OPTICAL).set_xlabel("velocity, optical [km/s]")
    return figure


def position_velocity(products: Products) -> Figure:
    """Draw position-velocity cuts along the major axis: data and residual in colour, model in contours."""
    figure = Figure(figsize=(9.0, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    offset, data = products.position_velocity(products.data)
    _, model = products.position_velocity(products.modelled)
    v = products.radio_kms
    peak = float(data.max())
    for axes, image, title in ((left, data, "data, model in contours"), (right, data - model, "data - model")):
        mesh = axes.pcolormesh(
            offset, v, 1e3 * image, cmap="RdBu_r", vmin=-1e3 * peak, vmax=1e3 * peak, shading="nearest"
        )
        axes.contour(
            offset, v, model, levels=np.array([0.1, 0.3, 0.5, 0.7, 0.9]) * model.max(), colors="k", linewidths=0.7
        )
        axes.set(title=title, xlabel="offset along the receding major axis [arcsec]")
        axes.axhline(products.best["vsys_kms"], color="0.4", linewidth=0.6, linestyle=":")
        axes.axvline(0, color="0.4", linewidth=0.6, linestyle=":")
    left.set_ylabel("velocity, radio [km/s]")
    right.secondary_yaxis("right", functions=RADIO_TO_OPTICAL).set_ylabel("velocity, optical [km/s]")
    figure.colorbar(mesh, ax=(left, right), label="mJy/beam")
    return figure


def channel_maps(products: Products, n: int = 7) -> Figure:
    """Draw dirty channel maps of data, model and residual across the line, labelled by radio velocity."""
    bright = np.flatnonzero(products.modelled.max(axis=(1, 2)) > 0.15 * products.modelled.max())
    # From low to high velocity, as is customary.
    chosen = np.linspace(bright[-1], bright[0], n).round().astype(int)
    figure = Figure(figsize=(1.55 * n + 1.0, 5.2), layout="compressed")
    rows = figure.subplots(3, n, sharex=True, sharey=True, squeeze=False)
    peak = 1e3 * float(products.data[chosen].max())
    cubes = (("data", products.data), ("model", products.modelled), ("residual", products.residual))
    for row, (name, cube) in zip(rows, cubes, strict=True):
        for axes, channel in zip(row, chosen, strict=True):
            image = sky_map(axes, 1e3 * cube[channel], products, 3, cmap="RdBu_r", vmin=-peak, vmax=peak)
            if name == "residual":
                sigma = 1e3 * products.noise
                _contours(axes, 1e3 * cube[channel], products, levels=[-5 * sigma, -3 * sigma, 3 * sigma, 5 * sigma])
        row[0].text(0.06, 0.94, name, transform=row[0].transAxes, va="top")
    for axes, channel in zip(rows[0], chosen, strict=True):
        radio = products.radio_kms[channel]
        axes.set_title(f"{radio:.0f} km/s\noptical {optical_velocity_kms(radio):.0f}", fontsize=8)
    figure.supxlabel("east [arcsec]", fontsize=10)
    figure.supylabel("north [arcsec]", fontsize=10)
    beam_ellipse(rows[0][0], products)
    figure.colorbar(image, ax=rows, label="mJy/beam", shrink=0.6)
    return figure


def traces(products: Products, names: tuple[str, ...] = ("log10_mbh", "inclination_deg")) -> Figure:
    """Draw trace plots of the chains."""
    shown = [name for name in names if name in products.names] or list(products.names[:1])
    figure = Figure(figsize=(7.6, 1.5 * (len(shown) + 1)), layout="constrained")
    panels = figure.subplots(len(shown) + 1, 1, sharex=True)
    for axes, name in zip(panels, shown, strict=False):
        axes.plot(products.draws[..., products.names.index(name)].T, linewidth=0.5)
        axes.set_ylabel(PARAMETERS[name].label)
    panels[-1].plot(products.posterior["sample_stats/lp"].T, linewidth=0.5)
    panels[-1].set(ylabel="log density", xlabel="draw")
    return figure


def sky_map(axes: Axes, image: np.ndarray, products: Products, n_ticks: int = 5, **style: Any) -> AxesImage:
    """Draw an image with east to the left."""
    half = products.extent_arcsec()
    shown = axes.imshow(image, origin="lower", extent=_extent(products), interpolation="nearest", **style)
    x0, y0 = products.best["x0_arcsec"], products.best["y0_arcsec"]
    axes.set_xlim(x0 + half, x0 - half)
    axes.set_ylim(y0 - half, y0 + half)
    axes.set_aspect("equal")
    # A number of ticks that depends on the size of the axes would change during layout and spoil it.
    axes.locator_params(nbins=n_ticks)
    return shown


def _contours(axes: Axes, image: np.ndarray, products: Products, levels: list[float]) -> None:
    manifest = products.data_store.manifest
    centres = (np.arange(manifest.npix) - manifest.npix // 2) * manifest.cell_arcsec
    if image.min() < levels[-1] and image.max() > levels[0]:
        axes.contour(centres, centres, image, levels=levels, colors="k", linewidths=0.5)


def _extent(products: Products) -> tuple[float, float, float, float]:
    manifest = products.data_store.manifest
    low = (-(manifest.npix // 2) - 0.5) * manifest.cell_arcsec
    high = low + manifest.npix * manifest.cell_arcsec
    return low, high, low, high


def beam_ellipse(axes: Axes, products: Products) -> None:
    (x_left, x_right), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
    place = (x_left - 0.12 * (x_left - x_right), y_low + 0.12 * (y_high - y_low))
    beam = products.beam
    # matplotlib angles run counter-clockwise from +x; with east to the left, position angles run the other way.
    axes.add_patch(
        Ellipse(place, beam.minor_arcsec, beam.major_arcsec, angle=-beam.pa_deg, facecolor="0.6", edgecolor="k")
    )
