"""Averaging to evenly spaced channels, in another frame if need be."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.spectral.averaging import TIE, average_channels
from vis_gridder.spectral.axes import SAME_WIDTH, TargetAxis, channel_spacing_hz
from vis_gridder.spectral.doppler import FrameFactor, frame_factor
from vis_gridder.stream.source import Block, Source
from vis_gridder.stream.step import Step, with_step

__all__ = ["to_axis", "uniform_channels"]

WORTH_SAYING = 0.01
"""Smallest misalignment, in channels, that the history reports."""


def to_axis(source: Source, axis: TargetAxis) -> Source:
    """Return a source in the frame and the channels of an axis; see `uniform_channels`.

    Raises:
        ContractError: as `frame_factor` and `uniform_channels` do.

    """
    return uniform_channels(
        source,
        start_hz=axis.start_hz,
        width_hz=axis.width_hz,
        n_channels=axis.n_channels,
        factor=frame_factor(source, axis.frame),
    )


def uniform_channels(
    source: Source, *, start_hz: float, width_hz: float, n_channels: int, factor: FrameFactor | None = None
) -> Source:
    """Average visibilities to evenly spaced channels.

    A sample whose channel's centre f is at f D in the target frame at its time goes to the channel that contains
    f D, undivided: V = sum w V / sum w, with weight sum w. Nothing is interpolated, so the noise of the new
    channels is as independent as that of the old ones, and its variance is known. The price is that a sample is
    moved by up to half a source channel; the history tells by how much averages are off their channels' centres
    where that exceeds 1 % of a channel. Channels that no good sample falls into are flagged.

    Spectra that were smoothed before (ALMA's Hanning window) have correlated neighbours: sum w then overstates the
    weight of an average. `estimate_noise` of the averages finds it.

    Args:
        source: the data.
        start_hz: centre of the first channel, in the target frame.
        width_hz: width and distance of the channels; at least that of the source's channels.
        n_channels: their number.
        factor: to the target frame (`frame_factor`); None keeps the data's own frame.

    Returns:
        The source on the new channels. If they are some of the old ones, blocks hold views of the arrays, and if
        they are all of them, the same arrays.

    Raises:
        ContractError: the channels make no sense, are narrower than the source's, or miss its band.

    """
    if factor is None:
        factor = frame_factor(source, source.observation.frequency_frame)
    axis = TargetAxis(factor.frame, start_hz, width_hz, n_channels)
    _check(source, axis, factor.at_start)
    n_old = source.frequency_hz.size
    was = source.observation.frequency_frame
    into = "" if axis.frame == was else f", {was} to {axis.frame}"
    centre = (source.frequency_hz * factor.at_start - start_hz) / width_hz
    kept = _slice(centre, n_channels) if factor.constant is not None else None
    if kept is None:
        step = _averaging(source, axis, factor)
        old_hz = channel_spacing_hz(source)
        notes = [f"averaged {n_old} channels of {old_hz:.9g} Hz to {n_channels} of {width_hz:.9g} Hz{into}"]
    else:
        off = centre[kept] - np.arange(n_channels)
        if n_channels == n_old and not into and np.all(np.abs(off) <= TIE):
            return source
        step = _slicing(kept)
        notes = [f"kept channels {kept.start} to {kept.stop - 1} of {n_old}{into}"]
        notes += _misalignment(float(np.abs(off).max()), float(off @ off), n_channels)
    return with_step(
        source,
        step,
        notes,
        observation=source.observation.model_copy(update={"frequency_frame": axis.frame}),
        frequency_hz=axis.frequency_hz,
        channel_width_hz=np.full(n_channels, width_hz),
    )


def _check(source: Source, axis: TargetAxis, factor: float) -> None:
    """Raise where an axis makes no sense, is finer than the source's channels or misses its band."""
    if not (0 < axis.start_hz < math.inf and 0 < axis.width_hz < math.inf and axis.n_channels > 0):
        raise ContractError(
            source.name,
            f"cannot have {axis.n_channels} channels of {axis.width_hz} Hz from {axis.start_hz} Hz; "
            "all must be positive",
        )
    old_width_hz = channel_spacing_hz(source) * factor
    if axis.width_hz < (1.0 - SAME_WIDTH) * old_width_hz:
        raise ContractError(
            source.name,
            f"has channels of {old_width_hz:.6g} Hz, too wide for new ones of {axis.width_hz:.6g} Hz; choose wider "
            "channels (--channel-width-kms)",
        )
    wanted = axis.frequency_hz[[0, -1]]
    low, high = source.frequency_hz[[0, -1]] * factor
    if low > wanted[1] + 0.5 * axis.width_hz or high < wanted[0] - 0.5 * axis.width_hz:
        raise ContractError(
            source.name,
            f"covers {1e-9 * low:.6f} to {1e-9 * high:.6f} GHz ({axis.frame}), none of the channels wanted, "
            f"{1e-9 * wanted[0]:.6f} to {1e-9 * wanted[1]:.6f} GHz; choose channels within",
        )


def _slice(centre: np.ndarray, n_channels: int) -> slice | None:
    """Return which old channels the new ones are, if each holds exactly one.

    Args:
        centre: [old channel] position in units of new channels, ascending.
        n_channels: number of new channels.

    """
    index = np.floor(centre + 0.5 + TIE).astype(np.int64)
    first = int(np.searchsorted(index, 0))
    kept = slice(first, first + n_channels)
    alone = np.array_equal(index[kept], np.arange(n_channels)) and not np.any(index[kept.stop :] < n_channels)
    return kept if alone else None


def _slicing(kept: slice) -> Step:
    def step(blocks: Iterator[Block], notes: list[str]) -> Iterator[Block]:
        for block in blocks:
            if block.vis.shape[1] == kept.stop - kept.start:
                yield block
            else:
                yield block._replace(vis=block.vis[:, kept], weight=block.weight[:, kept], flag=block.flag[:, kept])

    return step


def _averaging(source: Source, axis: TargetAxis, factor: FrameFactor) -> Step:
    def step(blocks: Iterator[Block], notes: list[str]) -> Iterator[Block]:
        largest, squares, count = 0.0, 0.0, 0
        for block in blocks:
            shape = (block.u_m.size, axis.n_channels)
            vis, weight, flag = np.empty(shape, np.complex64), np.empty(shape, np.float32), np.empty(shape, bool)
            most, squared, number = average_channels(
                block.vis,
                block.weight,
                block.flag,
                factor.at(block.time_mjd_s) / axis.width_hz,
                source.frequency_hz,
                axis.start_hz / axis.width_hz,
                vis,
                weight,
                flag,
            )
            largest, squares, count = max(largest, most), squares + squared, count + number
            yield block._replace(vis=vis, weight=weight, flag=flag)
        notes.extend(_misalignment(largest, squares, count))

    return step


def _misalignment(largest: float, squares: float, count: int) -> list[str]:
    """Return a line of history about the averages' distances from their channels' centres, in channels."""
    if largest <= WORTH_SAYING:
        return []
    rms = math.sqrt(squares / count)
    return [f"averages are off their channels' centres by up to {largest:.2g} of a channel, rms {rms:.2g}"]
