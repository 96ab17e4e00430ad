"""What a person who meets a data set wants to know: what it holds, how noisy it is, and how to grid it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vis_gridder.gridding import GridWarning, grid
from vis_gridder.history import assumptions
from vis_gridder.image_cube import read_image_cube
from vis_gridder.lines import line_velocities
from vis_gridder.source import Source
from vis_gridder.spec import suggest_grid
from vis_gridder.spectral.prepare import Spectral, prepare
from vis_gridder.survey import survey
from vis_gridder.velocity import radio_velocity_kms

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
        rest_frequency_hz: of the line; the first data set's own where None.
        progress: called with rows done and rows in all, both passes together.

    Raises:
        ContractError: the data cannot be read or used, or do not belong together.

    """
    total = 2 * sum(source.n_rows for source in sources)
    found = survey(sources, None if progress is None else (lambda done, _: progress(done, total)))
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
    line = None if rest_hz is None else line_velocities(gridded)
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
        "flagged_fraction": found.n_flagged / found.n_samples,
        "longest_baseline_wavelengths": found.longest_wavelengths,
        "visibility_noise_jy": noise.visibility_noise_jy,
        "weight_scale": noise.weight_scale,
        "suggested_cell_arcsec": suggested.cell_arcsec,
        "suggested_npix": suggested.npix,
        "assumptions": assumptions(gridded.manifest.history),
        "history": list(gridded.manifest.history[:-1]),
    }


def advise_image(path: Path, rest_frequency_hz: float | None = None) -> dict[str, Any]:
    """Return what a FITS image cube holds and what becomes of it, ready to be printed.

    Args:
        path: the file.
        rest_frequency_hz: of the line, where the file lacks it.

    Raises:
        ContractError: the cube cannot be used.

    """
    gridded = read_image_cube(path, rest_frequency_hz=rest_frequency_hz)
    manifest, frequency = gridded.manifest, gridded["frequency_hz"]
    rest_hz = manifest.observation.rest_frequency_hz
    velocity = None if rest_hz is None else radio_velocity_kms(frequency, rest_hz)
    line = None if rest_hz is None else line_velocities(gridded)
    return {
        "source": manifest.source,
        **manifest.observation.model_dump(exclude={"array_position_m"}),
        "channels": frequency.size,
        "frequency_hz": [float(frequency[0]), float(frequency[-1])],
        "channel_width_hz": manifest.channel_width_hz,
        "velocity_kms": None if velocity is None else [float(velocity.min()), float(velocity.max())],
        "line_velocity_kms": None if line is None else list(line),
        "cell_arcsec": manifest.cell_arcsec,
        "npix": manifest.npix,
        "uv_cells": int(gridded["mask"].any(axis=0).sum()),
        "assumptions": assumptions(manifest.history),
        "history": list(manifest.history),
    }
