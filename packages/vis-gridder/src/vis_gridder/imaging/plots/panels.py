"""The panels of the pictures, drawn with matplotlib; they look as those of Steelyard's reports do."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.patches import Ellipse
from matplotlib.ticker import LogLocator
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.imaging.dirty import Beam
from vis_gridder.imaging.plots.maps import (
    CLIP_SIGMA,
    Maps,
    cell_median,
    channel_noise,
    full_plane,
    sidelobes,
    velocity_axis,
)

__all__ = [
    "beam_ellipse",
    "draw_beam",
    "draw_cell_noise",
    "draw_channel_noise",
    "draw_dispersion",
    "draw_integrated",
    "draw_uv_coverage",
    "draw_velocity",
]

EXPECTED, MEASURED = "#d1495b", "#222222"
DOTS = 240
"""Most cells drawn along a side of a uv plane; a plane of more is drawn in blocks, lest single cells vanish."""
BEAM_VIEW = 4.0
"""Half-width of the picture of the beam, in its major axes."""
LEAST_VIEW = 4.0
"""Half-width of moment maps, at least, in the beam's major axes."""


def draw_uv_coverage(axes: Axes, gridded: Store[GriddedVisibilities]) -> None:
    """Draw both halves of the uv plane, coloured by the number of visibilities in a cell."""
    _uv_plane(axes, cell_median(gridded, "count"), gridded, "visibilities in a cell, median of channels")
    frequency_hz = float(gridded["frequency_hz"].mean())
    filled = gridded["mask"].any(axis=0)
    length = np.hypot(gridded["u_wavelengths"][None, :], gridded["v_wavelengths"][:, None])[filled]
    metres = length * SPEED_OF_LIGHT_M_S / frequency_hz
    shortest = metres[metres > 0].min() if (metres > 0).any() else 0.0
    axes.set_title(f"uv coverage, {_length(shortest)} to {_length(metres.max())}")


def draw_cell_noise(axes: Axes, gridded: Store[GriddedVisibilities]) -> None:
    """Draw the noise of the cells' means over the uv plane."""
    noise_mjy = 1e3 * np.sqrt(cell_median(gridded, "variance"))
    _uv_plane(axes, noise_mjy, gridded, "rms of a cell's mean [mJy], median of channels")
    axes.set_title(f"noise of the cells, median {np.nanmedian(noise_mjy):.3g} mJy")


def _length(metres: float) -> str:
    return f"{metres / 1e3:.3g} km" if metres >= 1e3 else f"{metres:.3g} m"


def _uv_plane(axes: Axes, half: np.ndarray, gridded: Store[GriddedVisibilities], name: str) -> None:
    """Draw a half plane [v, u] and its mirror image in a logarithmic scale, u growing to the left."""
    plane = full_plane(half)
    centre = plane.shape[0] // 2
    v, u = np.nonzero(np.isfinite(plane))
    reach = max(int(np.abs(u - centre).max()), int(np.abs(v - centre).max()))
    plane = plane[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1]
    plane, block = _in_blocks(plane)
    cell_kilo = 1e-3 / (gridded.manifest.npix * gridded.manifest.cell_arcsec * ARCSEC)
    low = -(reach + 0.5) * cell_kilo
    high = low + plane.shape[0] * block * cell_kilo
    least, most = float(np.nanmin(plane)), float(np.nanmax(plane))
    image = axes.imshow(
        plane,
        origin="lower",
        extent=(low, high, low, high),
        interpolation="nearest",
        cmap="viridis",
        norm=LogNorm(least, max(most, 1.01 * least)),
    )
    edge = 1.05 * (reach + 1) * cell_kilo
    axes.set_xlim(edge, -edge)
    axes.set_ylim(-edge, edge)
    _square(axes)
    axes.set(xlabel=r"$u$ [k$\lambda$], growing to the left", ylabel=r"$v$ [k$\lambda$]")
    _bar(axes, image, name, ticks=LogLocator(subs=(1.0, 2.0, 5.0)), format="%g")
    axes.child_axes[-1].minorticks_off()


def _in_blocks(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a plane in which each block of cells shows its largest, and the cells along a block's side."""
    block = -(-plane.shape[0] // DOTS)
    if block == 1:
        return plane, 1
    missing = -plane.shape[0] % block
    padded = np.pad(plane, (0, missing), constant_values=np.nan)
    n = padded.shape[0] // block
    return np.fmax.reduce(np.fmax.reduce(padded.reshape(n, block, n, block), axis=3), axis=1), block


def draw_channel_noise(axes: Axes, gridded: Store[GriddedVisibilities], maps: Maps) -> None:
    """Draw the noise of the dirty image against velocity, expected from the variances and measured in the image."""
    velocity, name = velocity_axis(gridded)
    expected, measured = 1e3 * channel_noise(gridded), 1e3 * maps.noise_jy
    spacing = abs(float(velocity[1] - velocity[0])) if velocity.size > 1 else maps.channel_kms
    # Frequencies ascend, so velocities descend; a histogram's edges ascend.
    edges = np.append(velocity[::-1] - 0.5 * spacing, velocity[0] + 0.5 * spacing)
    if maps.line:
        first, last = maps.channels[0], maps.channels[-1]
        low, high = velocity[last] - 0.5 * spacing, velocity[first] + 0.5 * spacing
        axes.axvspan(low, high, color="0.92", zorder=0, label="line, with margin")
    axes.stairs(
        measured[::-1],
        edges,
        baseline=None,
        linewidth=1.5,
        color=MEASURED,
        label="measured in the image, sidelobes included",
    )
    axes.stairs(
        expected[::-1], edges, baseline=None, linewidth=1.5, color=EXPECTED, label="from the cells' variances"
    )
    # One bad channel must not flatten the others.
    usual = float(max(np.nanmedian(expected), np.nanmedian(measured)))
    axes.set_ylim(0.0, min(1.1 * float(np.nanmax([expected, measured])), 3.0 * usual))
    axes.margins(x=0.01)
    axes.locator_params(axis="y", nbins=5)
    axes.set(xlabel=name, ylabel="noise [mJy/beam]")
    typical = f"{np.nanmedian(expected):.3g} mJy/beam"
    axes.set_title(f"noise per channel of the naturally weighted dirty image, {typical} from the variances")
    axes.legend(frameon=False, loc="lower left", ncols=3, fontsize="small")


def draw_beam(axes: Axes, image: np.ndarray, beam: Beam | None, cell_arcsec: float) -> None:
    """Draw a dirty beam [y, x] and the half-maximum ellipse of the Gaussian fitted to it."""
    field = 0.5 * image.shape[0] * cell_arcsec
    shown = _sky(axes, image, cell_arcsec, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    half = field if beam is None else min(field, BEAM_VIEW * beam.major_arcsec)
    _view(axes, (0.0, 0.0), half)
    _bar(axes, shown, "dirty beam", extend="max")
    if beam is None:
        axes.set_title("dirty beam: pixels too coarse to fit")
        return
    axes.add_patch(beam_ellipse(beam, (0.0, 0.0), facecolor="none", edgecolor="k", linewidth=1.2))
    low, high = sidelobes(image, beam, cell_arcsec)
    axes.set_title(
        f'beam {beam.major_arcsec:.3g}" x {beam.minor_arcsec:.3g}", PA {beam.pa_deg:.0f}°, '
        f"sidelobes {100 * low:.0f} to {100 * high:.0f} %".replace("-", "−")
    )


def draw_integrated(axes: Axes, maps: Maps, beam: Beam | None, cell_arcsec: float) -> None:
    """Draw moment 0."""
    image, unit = maps.integrated, "Jy/beam km/s"
    centre, half = _where(maps, beam, cell_arcsec)
    inside = _inside(image, centre, half, cell_arcsec)
    if inside.max() < 0.1:
        image, inside, unit = 1e3 * image, 1e3 * inside, "mJy/beam km/s"
    shown = _sky(axes, image, cell_arcsec, cmap="magma", vmin=0.0, vmax=float(inside.max()))
    _view(axes, centre, half)
    _bar(axes, shown, unit)
    axes.set_title("moment 0, " + ("line channels" if maps.line else "all channels, no line found"))
    if beam is not None:
        place = (centre[0] + 0.85 * half, centre[1] - 0.85 * half)
        axes.add_patch(beam_ellipse(beam, place, facecolor="0.6", edgecolor="w"))


def draw_velocity(axes: Axes, maps: Maps, beam: Beam | None, cell_arcsec: float, name: str) -> None:
    """Draw moment 1, red where gas recedes from the flux-weighted mean."""
    speeds = maps.velocity_kms[maps.detected]
    if speeds.size == 0:
        _nothing(axes, maps, beam, cell_arcsec, "moment 1")
        return
    # The middle of the extremes, less the last percent at each end: neither flux nor outliers pull it.
    low, high = np.percentile(speeds, [1.0, 99.0])
    spread = 0.5 * max(float(high - low), maps.channel_kms)
    middle = 0.5 * float(high + low)
    style = {"cmap": "RdBu_r", "vmin": middle - spread, "vmax": middle + spread}
    shown = _sky(axes, maps.velocity_kms, cell_arcsec, **style)
    _bar(axes, shown, name)
    _finish(axes, maps, beam, cell_arcsec, "moment 1")


def draw_dispersion(axes: Axes, maps: Maps, beam: Beam | None, cell_arcsec: float) -> None:
    """Draw moment 2."""
    widths = maps.dispersion_kms[maps.detected]
    if widths.size == 0:
        _nothing(axes, maps, beam, cell_arcsec, "moment 2")
        return
    top = max(float(np.percentile(widths, 99.0)), maps.channel_kms)
    shown = _sky(axes, maps.dispersion_kms, cell_arcsec, cmap="viridis", vmin=0.0, vmax=top)
    _bar(axes, shown, "dispersion [km/s]")
    _finish(axes, maps, beam, cell_arcsec, "moment 2")


def _finish(axes: Axes, maps: Maps, beam: Beam | None, cell_arcsec: float, title: str) -> None:
    centre, half = _where(maps, beam, cell_arcsec)
    _view(axes, centre, half)
    axes.set_title(f"{title}, voxels above {CLIP_SIGMA:g} sigma")
    if beam is not None:
        place = (centre[0] + 0.85 * half, centre[1] - 0.85 * half)
        axes.add_patch(beam_ellipse(beam, place, facecolor="0.6", edgecolor="k"))


def _nothing(axes: Axes, maps: Maps, beam: Beam | None, cell_arcsec: float, title: str) -> None:
    _view(axes, *_where(maps, beam, cell_arcsec))
    axes.set_title(title)
    text = f"no line above {maps.detection_sigma:.1f} sigma"
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center")


def beam_ellipse(beam: Beam, place: tuple[float, float], **style: Any) -> Ellipse:
    """Return the half-maximum ellipse of a beam, in arcsec to the east and north, whichever way the axis runs."""
    # matplotlib turns from +x, east, to +y, north; a position angle turns from north to east.
    return Ellipse(place, beam.minor_arcsec, beam.major_arcsec, angle=-beam.pa_deg, **style)


def _where(maps: Maps, beam: Beam | None, cell_arcsec: float) -> tuple[tuple[float, float], float]:
    """Return centre (east, north) and half-width of a view of all that is detected, or of the whole field; arcsec."""
    npix = maps.integrated.shape[0]
    field = 0.5 * npix * cell_arcsec
    y, x = np.nonzero(maps.detected)
    if x.size == 0:
        return (0.0, 0.0), field
    centre = tuple(0.5 * float(i.min() + i.max()) for i in (x, y))
    least = 8.0 * cell_arcsec if beam is None else LEAST_VIEW * beam.major_arcsec
    half = max(0.65 * cell_arcsec * float(max(np.ptp(x), np.ptp(y))), least)
    return ((centre[0] - npix // 2) * cell_arcsec, (centre[1] - npix // 2) * cell_arcsec), min(half, field)


def _inside(image: np.ndarray, centre: tuple[float, float], half: float, cell_arcsec: float) -> np.ndarray:
    offset = (np.arange(image.shape[0]) - image.shape[0] // 2) * cell_arcsec
    return image[np.ix_(np.abs(offset - centre[1]) <= half, np.abs(offset - centre[0]) <= half)]


def _sky(axes: Axes, image: np.ndarray, cell_arcsec: float, **style: Any) -> ScalarMappable:
    npix = image.shape[0]
    low = (-(npix // 2) - 0.5) * cell_arcsec
    high = low + npix * cell_arcsec
    return axes.imshow(image, origin="lower", extent=(low, high, low, high), interpolation="nearest", **style)


def _view(axes: Axes, centre: tuple[float, float], half: float) -> None:
    """Show what is around a place, east to the left."""
    axes.set_xlim(centre[0] + half, centre[0] - half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    _square(axes)
    axes.set(xlabel="east [arcsec]", ylabel="north [arcsec]")


def _square(axes: Axes) -> None:
    axes.set_aspect("equal")
    # A number of ticks that follows from the size of the axes lets labels collide in a small panel.
    axes.locator_params(nbins=5)


def _bar(axes: Axes, mappable: ScalarMappable, name: str, **style: Any) -> None:
    # Inset, so that it is as high as the panel whatever the layout makes of it.
    place = axes.inset_axes((1.03, 0.0, 0.045, 1.0))
    axes.figure.colorbar(mappable, cax=place, label=name, **style)
