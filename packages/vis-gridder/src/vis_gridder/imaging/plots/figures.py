"""The figures that hold the panels, at places given in inches: squares stay square and labels clear."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.imaging.plots.maps import make_maps, middle_beam, velocity_axis
from vis_gridder.imaging.plots.panels import (
    draw_beam,
    draw_cell_noise,
    draw_channel_noise,
    draw_dispersion,
    draw_integrated,
    draw_uv_coverage,
    draw_velocity,
)

__all__ = ["make_figures"]

SIDE = 3.6
"""Inches of a square panel."""
LEFT, RIGHT, BELOW, ABOVE = 0.85, 1.05, 0.65, 0.40
"""Inches around it, for labels, colour bar and title."""
COLUMN, ROW = LEFT + SIDE + RIGHT, BELOW + SIDE + ABOVE
STRIP = 1.9
"""Inches of the height of a panel along the velocity axis, below others."""
HEAD = 0.5
"""Inches above all panels for the figure's title."""

Draw = Callable[[Axes], None]
Panel = tuple[Draw, int]
"""Drawing function and number of columns."""


def make_figures(gridded: Store[GriddedVisibilities]) -> dict[str, Figure]:
    """Return the figures of a data set by name, the overview of all panels first.

    Raises:
        ContractError: the store holds no data.

    """
    cell_arcsec = gridded.manifest.cell_arcsec
    image, beam = middle_beam(gridded)
    maps = make_maps(gridded)
    _, velocity_name = velocity_axis(gridded)
    coverage: Panel = partial(draw_uv_coverage, gridded=gridded), 1
    cells: Panel = partial(draw_cell_noise, gridded=gridded), 1
    dirty: Panel = partial(draw_beam, image=image, beam=beam, cell_arcsec=cell_arcsec), 1
    channels = partial(draw_channel_noise, gridded=gridded, maps=maps)
    moments: list[Panel] = [
        (partial(draw_integrated, maps=maps, beam=beam, cell_arcsec=cell_arcsec), 1),
        (partial(draw_velocity, maps=maps, beam=beam, cell_arcsec=cell_arcsec, name=velocity_name), 1),
        (partial(draw_dispersion, maps=maps, beam=beam, cell_arcsec=cell_arcsec), 1),
    ]
    title = _title(gridded)
    return {
        "overview": _figure(title, [([coverage, cells, dirty], SIDE), (moments, SIDE), ([(channels, 3)], STRIP)]),
        "uv_coverage": _figure(title, [([coverage], SIDE)]),
        "noise": _figure(title, [([cells, (channels, 2)], SIDE)]),
        "dirty_beam": _figure(title, [([dirty], SIDE)]),
        "moments": _figure(title, [(moments, SIDE)]),
    }


def _title(gridded: Store[GriddedVisibilities]) -> tuple[str, str]:
    """Return what was observed with what, and the band."""
    frequency_hz, sky = gridded["frequency_hz"], gridded.manifest.observation
    velocity, _ = velocity_axis(gridded)
    n = frequency_hz.size
    width = f"s of {abs(velocity[-1] - velocity[0]) / (n - 1):.3g} km/s" if n > 1 else ""
    return f"{sky.target}, {sky.telescope}", f"{frequency_hz.mean() / 1e9:.4f} GHz, {n} channel{width}"


def _figure(title: tuple[str, str], rows: list[tuple[list[Panel], float]]) -> Figure:
    """Return a figure of rows of panels, from the top, each row with the height in inches of its panels."""
    n_columns = max(sum(columns for _, columns in panels) for panels, _ in rows)
    width = n_columns * COLUMN
    height = HEAD + sum(BELOW + high + ABOVE for _, high in rows)
    figure = Figure(figsize=(width, height))
    top = height - HEAD
    for panels, high in rows:
        bottom = top - ABOVE - high
        column = 0
        for draw, columns in panels:
            left, wide = column * COLUMN + LEFT, columns * COLUMN - LEFT - RIGHT
            draw(figure.add_axes((left / width, bottom / height, wide / width, high / height)))
            column += columns
        top = bottom - BELOW
    # A single panel is too narrow for one line.
    text = ("\n" if n_columns == 1 else "    ").join(title)
    figure.text(LEFT / width, 1.0 - 0.1 / height, text, va="top", fontsize="large", fontweight="bold")
    return figure
