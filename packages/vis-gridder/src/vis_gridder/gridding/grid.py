"""Gridding: each visibility in one cell, cell means with their measured noise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from astropy.coordinates import SkyCoord
from steelyard_schemas import (
    ContractError,
    GriddedVisibilities,
    NoiseReport,
    Store,
    Visibilities,
    require_memory,
)

from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.gridding.cell_statistics import CellScatter, CellStatistics, GroupNoise
from vis_gridder.gridding.cells import CellSums, Counts
from vis_gridder.gridding.dataset_noise import SetNoise, set_noise
from vis_gridder.gridding.excess_scatter import account_for_scatter
from vis_gridder.gridding.one_pass import Pass, in_threads, one_pass
from vis_gridder.gridding.spec import GridSpec, fast_even
from vis_gridder.spectral.prepare import same_channels
from vis_gridder.spectral.velocity import channels_within
from vis_gridder.stream.history import DataWarning
from vis_gridder.stream.noise_free import is_noise_free
from vis_gridder.stream.source import Source, as_source
from vis_gridder.stream.unmeasured import measured_only

__all__ = ["GridWarning", "grid"]

MOST_OUTSIDE = 0.5
"""Fraction of visibilities beyond the edge above which gridding is refused."""
MOMENTS = tuple(spec.name for spec in GriddedVisibilities.ARRAYS_IF["cell_moments"])
BYTES_PER_CELL = 32
"""Bytes per cell of a gridded store in memory; gridding itself needs more only for cells with data."""
SAME_CENTRE_ARCSEC = 0.01
"""Phase centres of data sets gridded together may differ by rounding, no more."""


class GridWarning(DataWarning):
    """The grid was made, but part of the data is not in it."""


type Data = Store[Visibilities] | Source


def grid(
    data: Data | Sequence[Data], spec: GridSpec, *, progress: Callable[[int, int], None] | None = None
) -> Store[GriddedVisibilities]:
    """Average visibilities in the cells of a half plane; each baseline counts once.

    u and v are in wavelengths of each channel. A visibility with u < 0 is moved to (-u, -v) and conjugated; in
    the column u = 0, where (0, v) and (0, -v) are the same sample, all goes to v >= 0, so no cell is the conjugate of
    another that holds data. The Nyquist row and column of an even number of pixels stay empty. What falls beyond
    is counted in the noise report and warned of.

    The model to compare with a cell's mean is the Fourier transform of the image times `taper` at the cell's
    centre, which is right for samples that fill the cell evenly; the moments of where they really lie are kept for
    a model that takes account of them. Variances: see `CellSums.finish`; the noise of cells with few
    visibilities is that of `estimate_noise`, or, where no baseline repeats, the scatter pooled over all cells.

    Several data sets (configurations, nights, spectral windows) are gridded together: the weights of each are first
    brought to inverse variances by its own noise. The data are read once, block by block; memory does not grow
    with their number.

    Args:
        data: one data set or several, in memory or as streams.
        spec: the grid.
        progress: called with rows done and rows in all.

    Raises:
        ContractError: no channel within the velocity range, no rest frequency for one, most data beyond the
            grid's edge, no way to measure the noise, or data sets that do not belong together.

    Warns:
        GridWarning: some visibilities lie beyond the grid's edge.
        DataWarning: the scatter within cells is beyond 1.3 times the noise from differences in time, and where; the
            data are then read twice.

    """
    given = [data] if isinstance(data, (Store, Source)) else list(data)
    sources = [d if isinstance(d, Source) else measured_only(as_source(d)) for d in given]
    if not sources:
        raise ContractError("grid", "got no data; give at least one data set")
    _check_together(sources)
    first = sources[0]
    channels, rest_hz = _channels(first, spec)
    frequency = first.frequency_hz[channels.start : channels.stop].copy()
    n_cells = len(channels) * spec.npix * (spec.npix // 2 + 1)
    require_memory(
        "grid",
        f"a grid of {len(channels)} channels and {spec.npix} x {spec.npix} pixels",
        BYTES_PER_CELL * n_cells,
        "choose fewer pixels (--npix, larger --cell-arcsec), a velocity range or wider channels",
    )

    merged = _Merged()
    n_rows = sum(source.n_rows for source in sources)
    for source in sources:
        before = merged.n_rows
        report = None if progress is None else (lambda done, _, before=before: progress(before + done, n_rows))
        this = one_pass(source, spec, channels, report)
        _check_edge(source, spec, this, float(frequency[-1]))
        noise = set_noise(source, this, together=len(sources) > 1)
        excess = _excess(source, spec, channels, this, noise)
        # The history of a source is complete only now that a pass has ended.
        history = [*source.history, *noise.history, *excess]
        merged.add(source, this, noise, history, label=f"{source.name}: " if len(sources) > 1 else "")

    if len(channels) < first.frequency_hz.size:
        merged.history.append(f"kept channels {channels.start} to {channels.stop - 1} of {first.frequency_hz.size}")
    merged.history.append(
        f"gridded to {spec.npix} x {spec.npix} pixels of {spec.cell_arcsec:g} arcsec, each visibility in one cell "
        f"of half the plane, beta {spec.beta:g}, scatter from {spec.min_count} visibilities"
    )
    return _store(first, spec, rest_hz, frequency, merged)


class _Merged:
    """Cells and noise of the data sets gridded so far."""

    def __init__(self) -> None:
        self.cells: list[CellSums] = []
        self.noises: list[SetNoise] = []
        self.names: list[str] = []
        self.history: list[str] = []
        self.counts = Counts()
        self.n_rows = 0

    def add(self, source: Source, done: Pass, noise: SetNoise, history: list[str], *, label: str) -> None:
        """Add a data set whose pass is done; `label` goes before the lines of its history."""
        self._join(done.cells, noise.weight_factor, sum(n.scale.size for n in self.noises))
        self.counts = self.counts.plus(done.counts)
        self.noises.append(noise)
        self.names.append(source.name)
        self.history += [label + line for line in history]
        self.n_rows += source.n_rows

    def _join(self, more: list[CellSums], factor: float, first_group: int) -> None:
        if self.cells:
            for mine, theirs in zip(self.cells, more, strict=True):
                mine.merge(theirs, factor, first_group)
            return
        self.cells = list(more)
        if factor != 1.0:
            for cells in self.cells:
                cells.scale(factor)

    def statistics(self, shape: tuple[int, int, int]) -> CellStatistics:
        """Return the statistics of all cells, shape (channel, v, u)."""
        statistics = CellStatistics.empty(shape)
        scale, dof = (np.concatenate([getattr(n, name) for n in self.noises]) for name in ("scale", "dof"))
        data_set = np.repeat(np.arange(len(self.noises)), [n.scale.size for n in self.noises])
        factors = np.stack([n.channel_factor for n in self.noises])
        noise = GroupNoise(scale, dof, data_set, factors)
        # Cells hold samples of all sets: their scatter has the sets' mean factor.
        mean_factor = np.average(factors, axis=0, weights=[n.n_used for n in self.noises])
        scatter = CellScatter(np.zeros((*shape[1:], 2)), mean_factor)
        for cells in self.cells:
            cells.scatter_of_cells(scatter.sums, mean_factor)
        in_threads(lambda cells: cells.finish(statistics, noise, scatter), self.cells)
        return statistics

    def report(self, mask: np.ndarray, propagated: np.ndarray) -> NoiseReport:
        """Return the noise report for cells with data and cells with propagated variance, [channel, v, u] bool."""
        n_propagated = int(np.count_nonzero(propagated))
        used = [n.n_used for n in self.noises]
        return NoiseReport(
            visibility_noise_jy=float(np.median([n.visibility_noise_jy for n in self.noises])),
            weight_scale=float(np.average([n.weight_scale for n in self.noises], weights=used)),
            n_used=self.counts.used,
            n_flagged=self.counts.flagged,
            n_outside=self.counts.outside,
            n_cells_scatter=int(np.count_nonzero(mask)) - n_propagated,
            n_cells_propagated=n_propagated,
        )


def _excess(source: Source, spec: GridSpec, channels: range, done: Pass, noise: SetNoise) -> list[str]:
    """Warn where cells scatter more than their noise, and return what the history says of it."""
    if noise.scatters is None or done.noise is None:
        return []
    if is_noise_free(source):
        return ["assumed a model without noise, as its smoothness shows: scatter within cells is taken for the sky"]
    account = account_for_scatter(source, spec, channels, done.noise)
    text = f"samples of a cell scatter by {noise.scatters:.2f} times their noise variance; {account}"
    warnings.warn(f"{source.name}: {text}", DataWarning, stacklevel=3)
    return [text]


def _store(
    first: Source, spec: GridSpec, rest_hz: float | None, frequency_hz: np.ndarray, merged: _Merged
) -> Store[GriddedVisibilities]:
    statistics = merged.statistics((frequency_hz.size, spec.npix, spec.npix // 2 + 1))
    mask = statistics.n_samples > 0
    pixel_rad = spec.cell_arcsec * ARCSEC
    arrays = {
        "mean": statistics.mean,
        "variance": statistics.variance,
        "dof": statistics.dof,
        "count": statistics.n_samples,
        "mask": mask,
        "frequency_hz": frequency_hz,
        "u_wavelengths": np.fft.rfftfreq(spec.npix, pixel_rad),
        "v_wavelengths": np.fft.fftfreq(spec.npix, pixel_rad),
        **dict(zip(MOMENTS, in_threads(lambda moment: _half(moment, mask), statistics.moments), strict=True)),
    }
    manifest = GriddedVisibilities(
        observation=first.observation.model_copy(update={"rest_frequency_hz": rest_hz}),
        npix=spec.npix,
        cell_arcsec=spec.cell_arcsec,
        channel_width_hz=float(first.channel_width_hz.mean()),
        kernel=spec.kernel,
        cell_moments=True,
        noise=merged.report(mask, statistics.propagated),
        source=" + ".join(merged.names),
        sources=tuple(merged.names) if len(merged.names) > 1 else (),
        history=tuple(merged.history),
    )
    return Store(manifest, arrays)


def _half(moment: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a moment in half precision; most cells are empty and cost nothing."""
    half = np.zeros(moment.shape, np.float16)
    half[mask] = moment[mask]
    return half


def _check_together(sources: list[Source]) -> None:
    """Raise ContractError where data sets cannot share a grid."""
    first = sources[0]
    for other in sources[1:]:
        mine, theirs = first.observation, other.observation
        where = f"{first.name} and {other.name}"
        centre, place = (SkyCoord(o.phase_centre_ra_deg, o.phase_centre_dec_deg, unit="deg") for o in (mine, theirs))
        if (apart := centre.separation(place).arcsec) > SAME_CENTRE_ARCSEC:
            raise ContractError(
                where, f"have phase centres {apart:.3g} arcsec apart; shift one first (CASA: phaseshift)"
            )
        if mine.dish_diameter_m and theirs.dish_diameter_m and mine.dish_diameter_m != theirs.dish_diameter_m:
            raise ContractError(
                where,
                f"are of dishes of {mine.dish_diameter_m:g} and {theirs.dish_diameter_m:g} m, whose primary beams "
                "differ; grid them apart",
            )
        if mine.frequency_frame != theirs.frequency_frame:
            raise ContractError(
                where,
                f"have frequencies in {mine.frequency_frame} and {theirs.frequency_frame}; give one frame (--frame)",
            )
        if not same_channels([first, other]):
            raise ContractError(where, "have different channels; give a width for both (--channel-width-kms)")


def _channels(source: Source, spec: GridSpec) -> tuple[range, float | None]:
    """Return the channels within the velocity range and the rest frequency."""
    rest_hz = spec.rest_frequency_hz or source.observation.rest_frequency_hz
    return channels_within(
        source.name, source.frequency_hz, rest_hz, spec.velocity_min_kms, spec.velocity_max_kms
    ), rest_hz


def _check_edge(source: Source, spec: GridSpec, done: Pass, highest_hz: float) -> None:
    used, outside = done.counts.used, done.counts.outside
    if outside == 0:
        return
    # The last half cell before the edge belongs to the Nyquist row, which stays empty.
    finest = SPEED_OF_LIGHT_M_S / (2.0 * done.farthest_m * highest_hz) / ARCSEC * (1 - 1 / spec.npix)
    # Rounded down: pixels of what is printed do keep all.
    unit = 10.0 ** (math.floor(math.log10(finest)) - 2)
    finer = math.floor(finest / unit) * unit
    npix = fast_even(math.ceil(spec.npix * spec.cell_arcsec / finer))
    fraction = outside / (used + outside)
    text = (
        f"{outside} visibility-channels ({100 * fraction:.2g} %) lie beyond the edge of the uv grid; "
        f"pixels of {finer:.3g} arcsec or finer keep all (npix = {npix} for the same field)"
    )
    if fraction > MOST_OUTSIDE:
        raise ContractError(source.name, text)
    warnings.warn(text, GridWarning, stacklevel=3)
