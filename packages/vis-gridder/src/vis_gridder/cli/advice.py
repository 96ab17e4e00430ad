"""Summaries of data sets for the `info` command: contents, noise, line position and a suggested grid."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.gridding.grid import GridWarning, grid
from vis_gridder.gridding.spec import suggest_grid
from vis_gridder.image_cube.cube import ImageOptions, grid_image_cube
from vis_gridder.imaging.continuum_level import continuum_level
from vis_gridder.imaging.line_finder import VelocityRange, line_velocities
from vis_gridder.imaging.line_sign import line_sign
from vis_gridder.readers.common.axis import doubtful_rest_frequency
from vis_gridder.spectral.prepare import Spectral, prepare
from vis_gridder.spectral.velocity import radio_velocity_kms
from vis_gridder.stream.data_summary import data_summary
from vis_gridder.stream.history import DataWarning, assumptions
from vis_gridder.stream.source import Source

__all__ = ["advise", "advise_image"]


def advise(
    sources: Sequence[Source],
    rest_frequency_hz: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return what data sets hold and what suits them, ready to be printed; two passes over the data.

    The line is looked for on the short baselines (`line_velocities`), in the frame that the grid would have.

    Args:
        sources: one data set, or several that could be gridded together.
        rest_frequency_hz: rest frequency of the line; the first data set's own where None.
        progress: called with rows done and rows in all, both passes together.

    Raises:
        ContractError: the data cannot be read or used, or do not belong together.

    """
    total = 2 * sum(source.n_rows for source in sources)
    found = data_summary(sources, None if progress is None else (lambda done, _: progress(done, total)))
    first = sources[0]
    rest_hz = first.observation.rest_frequency_hz if rest_frequency_hz is None else rest_frequency_hz
    suggested = suggest_grid(found)
    ready = prepare(sources, Spectral(rest_frequency_hz=rest_hz))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridWarning)  # about an edge that nobody has chosen yet
        gridded = grid(
            ready,
            replace(suggested, rest_frequency_hz=rest_hz),
            progress=None if progress is None else (lambda done, _: progress(total // 2 + done, total)),
        )
    frequency = ready[0].frequency_hz
    velocity = None if rest_hz is None else radio_velocity_kms(frequency, rest_hz)
    line, continuum_jy, clean = _line_and_continuum(
        gridded, rest_hz, velocity, "with --continuum-kms LOW:HIGH (vis-gridder grid)"
    )
    sign = line_sign(clean)
    if rest_frequency_hz is None:
        _warn_of_doubtful_rest_frequency(first, rest_hz)
    noise = gridded.manifest.noise
    return {
        "source": gridded.manifest.source,
        **first.observation.model_dump(exclude={"array_position_m"}),
        "rest_frequency_hz": rest_hz,
        "rows": found.n_rows,
        "channels": frequency.size,
        "frequency_hz": [float(frequency[0]), float(frequency[-1])],
        "channel_width_hz": float(ready[0].channel_width_hz.mean()),
        "velocity_kms": None if velocity is None else [float(velocity.min()), float(velocity.max())],
        "gridded_frame": ready[0].observation.frequency_frame,
        "line_velocity_kms": None if line is None else list(line),
        "continuum_jy": continuum_jy,
        "line_sign": None if sign is None else sign.kind,
        "flagged_fraction": found.n_flagged / found.n_samples,
        "longest_baseline_wavelengths": found.longest_wavelengths,
        "visibility_noise_jy": noise.visibility_noise_jy,
        "weight_scale": noise.weight_scale,
        "suggested_cell_arcsec": suggested.cell_arcsec,
        "suggested_npix": suggested.npix,
        "assumptions": assumptions(gridded.manifest.history),
        "history": list(gridded.manifest.history[:-1]),
    }


def _warn_of_doubtful_rest_frequency(source: Source, rest_hz: float | None) -> None:
    if doubtful_rest_frequency(rest_hz, source.frequency_hz, source.channel_width_hz):
        warnings.warn(
            f"{source.name}: the rest frequency {rest_hz:.9g} Hz is that of a channel at the end of the band, as "
            "CASA's simulator writes if no line is given; look at velocity_kms and give --rest-frequency-hz",
            DataWarning,
            stacklevel=3,
        )


def advise_image(path: Path, rest_frequency_hz: float | None = None) -> dict[str, Any]:
    """Return what a FITS image cube holds and what becomes of it, ready to be printed.

    Args:
        path: the file.
        rest_frequency_hz: rest frequency of the line, where the file lacks it.

    Raises:
        ContractError: the cube cannot be used.

    """
    gridded, found = grid_image_cube(path, ImageOptions(rest_frequency_hz=rest_frequency_hz))
    manifest, frequency = gridded.manifest, gridded["frequency_hz"]
    rest_hz = manifest.observation.rest_frequency_hz
    velocity = None if rest_hz is None else radio_velocity_kms(frequency, rest_hz)
    line, continuum_jy, _ = _line_and_continuum(gridded, rest_hz, velocity, "from the image (CASA: imcontsub)")
    return {
        "source": manifest.source,
        **manifest.observation.model_dump(exclude={"array_position_m"}),
        "channels": frequency.size,
        "frequency_hz": [float(frequency[0]), float(frequency[-1])],
        "channel_width_hz": manifest.channel_width_hz,
        "velocity_kms": None if velocity is None else [float(velocity.min()), float(velocity.max())],
        "line_velocity_kms": None if line is None else list(line),
        "continuum_jy": continuum_jy,
        "line_sign": found.kind,
        "emission_jykms": found.emission_jykms,
        "absorption_jykms": found.absorption_jykms,
        "cell_arcsec": manifest.cell_arcsec,
        "npix": manifest.npix,
        "uv_cells": int(gridded["mask"].any(axis=0).sum()),
        "assumptions": assumptions(manifest.history),
        "history": list(manifest.history),
    }


def _line_and_continuum(
    gridded: Store[GriddedVisibilities], rest_hz: float | None, velocity: np.ndarray | None, how: str
) -> tuple[VelocityRange | None, float | None, Store[GriddedVisibilities]]:
    """Return the velocities of the line, the flux of continuum beneath it, and the data without that continuum.

    Args:
        gridded: the data.
        rest_hz: rest frequency of the line.
        velocity: velocities of the channels, None without a rest frequency.
        how: how continuum is subtracted.

    Warns:
        DataWarning: the quietest channels are not empty.

    """
    found = continuum_level(gridded)
    clean = gridded if found is None else found.subtracted
    line = None if rest_hz is None else line_velocities(clean)
    if found is None:
        return line, None, clean
    beside = (
        _beside(line, velocity, SPEED_OF_LIGHT_KMS * gridded.manifest.channel_width_hz / rest_hz) if rest_hz else []
    )
    options = " ".join(f"--continuum-kms {low:.0f}:{high:.0f}" for low, high in beside)
    warnings.warn(
        f"{gridded.manifest.source}: continuum emission of about {found.flux_jy:.2g} Jy in all channels, or a line "
        f"wider than the band; subtract it {how}{f', here perhaps {options}' if options else ''}",
        DataWarning,
        stacklevel=3,
    )
    return line, found.flux_jy, clean


def _beside(line: VelocityRange | None, velocity: np.ndarray | None, width_kms: float) -> list[tuple[float, float]]:
    """Return the parts of the band beside the line that hold two channels or more."""
    if line is None or velocity is None:
        return []
    low, high = float(velocity.min()), float(velocity.max())
    parts = [(low, line.velocity_min_kms), (line.velocity_max_kms, high)]
    return [(first, last) for first, last in parts if last - first > 2 * width_kms]
