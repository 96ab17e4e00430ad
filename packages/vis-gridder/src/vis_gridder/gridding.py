"""Gridding: each visibility in one cell, cell means with their measured noise."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from steelyard_schemas import ContractError, GriddedVisibilities, NoiseReport, Store, Visibilities

from vis_gridder.accumulate import N_SUMS, accumulate
from vis_gridder.cells import CellStatistics, cell_statistics
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.kernel import kernel_table
from vis_gridder.noise import time_difference_noise
from vis_gridder.spec import GridSpec, longest_baseline_wavelengths
from vis_gridder.velocity import radio_velocity_kms

__all__ = ["GridWarning", "grid"]

BLOCK = 8
"""Channels gridded together: eight complex64 are one cache line of the data."""
MOST_OUTSIDE = 0.5
"""A grid that loses more than this fraction of the visibilities is a mistake, not a choice."""


class GridWarning(UserWarning):
    """The grid was made, but part of the data is not in it."""


def grid(
    vis: Store[Visibilities], spec: GridSpec, *, progress: Callable[[int, int], None] | None = None
) -> Store[GriddedVisibilities]:
    """Average visibilities in the cells of a half plane; each baseline counts once.

    u and v are in wavelengths of each channel. A visibility with u < 0 is moved to (-u, -v) and conjugated; in
    the column u = 0, where (0, v) and (0, -v) are the same sample, all goes to v >= 0, so no cell is the conjugate of
    another that holds data. The Nyquist row and column of an even number of pixels stay empty. What falls beyond
    is counted in the noise report and warned of.

    The model to compare with a cell's mean is the Fourier transform of the image times `taper`, at the cell's
    centre. Variances: see `cell_statistics`; the noise of cells with few visibilities is that of
    `estimate_noise`, or, where no baseline repeats, the scatter pooled over all cells.

    Args:
        vis: the data.
        spec: the grid.
        progress: called with channels done and channels in all.

    Raises:
        ContractError: no channel within the velocity range, no rest frequency for one, most data beyond the
            grid's edge, or no way to measure the noise.

    Warns:
        GridWarning: some visibilities lie beyond the grid's edge.

    """
    source = vis.manifest.source
    channels, rest_hz = _channels(vis, spec)
    noise = time_difference_noise(vis)
    n_rows = vis["u_m"].size
    # Without time differences the sums carry s = 1, and the pooled scatter fills it in below.
    scale = np.ones(n_rows) if noise is None else noise.variance_per_weight
    scale_over_dof = scale if noise is None else scale / noise.dof
    half = (len(channels), spec.npix, spec.npix // 2 + 1)
    arrays: dict[str, np.ndarray] = {
        "mean": np.zeros(half, np.complex64),
        "variance": np.zeros(half, np.float32),
        "dof": np.zeros(half, np.float32),
        "count": np.zeros(half, np.int32),
        "mask": np.zeros(half, bool),
    }
    propagated = np.zeros(half, bool)
    frequency = vis["frequency_hz"]
    table = kernel_table(spec.kernel)

    def block(start: int) -> tuple[int, int, int, CellStatistics]:
        here = range(start, min(start + BLOCK, len(channels)))
        cells_per_metre = frequency[channels.start :][here.start : here.stop] / SPEED_OF_LIGHT_M_S * spec.field_rad
        sums = np.zeros((*half[1:], len(here), N_SUMS))
        numbers = accumulate(
            sums,
            vis["u_m"],
            vis["v_m"],
            cells_per_metre,
            vis["vis"],
            vis["weight"],
            vis["flag"],
            scale,
            scale_over_dof,
            table,
            channels.start + here.start,
        )
        filled = sums[..., -1] > 0
        cells = cell_statistics(sums[filled], spec.min_count)
        for name, values in (
            ("mean", cells.mean),
            ("variance", cells.variance),
            ("dof", cells.dof),
            ("count", cells.n),
            ("mask", True),
        ):
            # The view has the sums' order of axes, so that it can be written where `filled` is true.
            np.moveaxis(arrays[name][here.start : here.stop], 0, -1)[filled] = values
        np.moveaxis(propagated[here.start : here.stop], 0, -1)[filled] = cells.propagated
        return (*numbers, cells)

    starts = range(0, len(channels), BLOCK)
    used = flagged = outside = 0
    residual = residual_dof = 0.0
    with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1)) as pool:
        for done, (n_used, n_flagged, n_outside, cells) in enumerate(pool.map(block, starts), start=1):
            used, flagged, outside = used + n_used, flagged + n_flagged, outside + n_outside
            residual, residual_dof = residual + cells.residual, residual_dof + cells.residual_dof
            if progress:
                progress(min(done * BLOCK, len(channels)), len(channels))

    _check_edge(vis, spec, used, outside)
    history = [*vis.manifest.history]
    if noise is not None:
        visibility_noise, weight_scale = float(np.nanmedian(noise.sigma_jy)), noise.weight_scale
        history.append(f"noise from {noise.n_differences} differences in time per baseline and scan")
    else:
        if not residual > 0:
            raise ContractError(source, "gives no noise: no baseline repeats in time and no cell holds scatter")
        pooled = residual / residual_dof
        arrays["variance"][propagated] *= pooled
        arrays["dof"][propagated] = residual_dof
        positive = vis["weight"][~vis["flag"]]
        visibility_noise, weight_scale = float(np.sqrt(pooled / np.median(positive))), float(1.0 / pooled)
        history.append("no baseline repeats in time: noise from the scatter pooled over all cells")
    arrays["frequency_hz"] = frequency[channels.start : channels.stop].copy()
    pixel_rad = spec.cell_arcsec * ARCSEC
    arrays["u_wavelengths"] = np.fft.rfftfreq(spec.npix, pixel_rad)
    arrays["v_wavelengths"] = np.fft.fftfreq(spec.npix, pixel_rad)
    if len(channels) < frequency.size:
        history.append(f"kept channels {channels.start} to {channels.stop - 1} of {frequency.size}")
    history.append(
        f"gridded to {spec.npix} x {spec.npix} pixels of {spec.cell_arcsec:g} arcsec, each visibility in one cell "
        f"of half the plane, beta {spec.beta:g}, scatter from {spec.min_count} visibilities"
    )
    n_filled = int(np.count_nonzero(arrays["mask"]))
    n_propagated = int(np.count_nonzero(propagated))
    manifest = GriddedVisibilities(
        observation=vis.manifest.observation.model_copy(update={"rest_frequency_hz": rest_hz}),
        npix=spec.npix,
        cell_arcsec=spec.cell_arcsec,
        channel_width_hz=float(vis["channel_width_hz"].mean()),
        kernel=spec.kernel,
        noise=NoiseReport(
            visibility_noise_jy=visibility_noise,
            weight_scale=weight_scale,
            n_used=used,
            n_flagged=flagged,
            n_outside=outside,
            n_cells_scatter=n_filled - n_propagated,
            n_cells_propagated=n_propagated,
        ),
        source=source,
        history=tuple(history),
    )
    return Store(manifest, arrays)


def _channels(vis: Store[Visibilities], spec: GridSpec) -> tuple[range, float | None]:
    """Return the channels within the velocity range and the rest frequency."""
    rest_hz = spec.rest_frequency_hz or vis.manifest.observation.rest_frequency_hz
    frequency = vis["frequency_hz"]
    low, high = spec.velocity_min_kms, spec.velocity_max_kms
    if low is None and high is None:
        return range(frequency.size), rest_hz
    if rest_hz is None:
        raise ContractError(vis.manifest.source, "does not tell the rest frequency; give one with the velocity range")
    velocity = radio_velocity_kms(frequency, rest_hz)
    inside = (velocity >= (-np.inf if low is None else low)) & (velocity <= (np.inf if high is None else high))
    kept = np.flatnonzero(inside)
    if kept.size == 0:
        raise ContractError(
            vis.manifest.source,
            f"has no channel within the velocity range; its channels are at {velocity.min():.1f} to "
            f"{velocity.max():.1f} km/s for a rest frequency of {rest_hz / 1e9:.6f} GHz",
        )
    return range(int(kept[0]), int(kept[-1]) + 1), rest_hz


def _check_edge(vis: Store[Visibilities], spec: GridSpec, used: int, outside: int) -> None:
    if outside == 0:
        return
    finer = 1.0 / (2.0 * longest_baseline_wavelengths(vis)) / ARCSEC
    fraction = outside / (used + outside)
    text = (
        f"{outside} visibility-channels ({100 * fraction:.2g} %) lie beyond the edge of the uv grid; "
        f"pixels of {finer:.3g} arcsec or finer keep all"
    )
    if fraction > MOST_OUTSIDE:
        raise ContractError(vis.manifest.source, text)
    warnings.warn(text, GridWarning, stacklevel=3)
