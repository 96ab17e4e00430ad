"""Channels that several data sets of one line can share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from steelyard_schemas import ContractError
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.spectral.averaging import TIE
from vis_gridder.spectral.doppler import MOVING, frame_factor
from vis_gridder.stream.source import Source

__all__ = ["SAME_WIDTH", "TargetAxis", "channel_spacing_hz", "target_axis"]

SAME_WIDTH = 1e-3
"""Largest relative difference of channel widths that count as one: a hole in every thousand channels at worst."""


@dataclass(frozen=True)
class TargetAxis:
    """Evenly spaced channels.

    Attributes:
        frame: frame of the frequencies.
        start_hz: centre of the first, lowest channel.
        width_hz: width of each, and the distance of their centres.
        n_channels: their number.

    """

    frame: FrequencyFrame
    start_hz: float
    width_hz: float
    n_channels: int

    @property
    def frequency_hz(self) -> np.ndarray:
        """Centres [channel]."""
        return self.start_hz + self.width_hz * np.arange(self.n_channels)


def channel_spacing_hz(source: Source) -> float:
    """Return the distance of channel centres, which for a single channel is its width."""
    frequency = source.frequency_hz
    if frequency.size == 1:
        return float(source.channel_width_hz[0])
    return float(frequency[-1] - frequency[0]) / (frequency.size - 1)


def target_axis(
    sources: Sequence[Source],
    frame: FrequencyFrame,
    *,
    width_kms: float | None = None,
    rest_frequency_hz: float | None = None,
) -> TargetAxis:
    """Choose channels that several data sets of one line can share.

    They are the first source's own channels, as they are in the frame at the start of its observation, as far as
    all sources cover them; a source that ends within half a channel of an edge still counts as covering it.
    With a width, they start at the lower edge of the first such channel and end with the last that is full.

    Args:
        sources: one or more.
        frame: frame of the channels; that of the data is always possible for a single source.
        width_kms: channel width, km/s; the first source's where None.
        rest_frequency_hz: what the width refers to; the first source's where None.

    Raises:
        ContractError: a frame cannot be converted, the sources do not overlap or have different channels and
            no width is given, or the width is narrower than their channels or wider than the overlap.

    """
    first = sources[0]
    if len(sources) > 1 and frame in MOVING:
        raise ContractError(
            first.name, f"{frame} is another frame at every moment, so data sets cannot share it; choose LSRK or BARY"
        )
    bands = [_band(source, frame) for source in sources]
    own = bands[0]
    widest = max(band.width_hz for band in bands)
    common = _common_channels(sources, bands, frame)
    if width_kms is None:
        narrowest = min(band.width_hz for band in bands)
        if widest - narrowest > SAME_WIDTH * widest:
            raise ContractError(
                first.name,
                f"is to share channels with data whose channels are {narrowest:.6g} to {widest:.6g} Hz wide; "
                "choose one width for all (--channel-width-kms)",
            )
        return TargetAxis(frame, float(common[0]) + 0.5 * own.width_hz, own.width_hz, common.size)
    width_hz = _width_hz(first, width_kms, rest_frequency_hz, widest)
    n_channels = int((common.size + TIE) * own.width_hz / width_hz)
    if n_channels == 0:
        raise ContractError(
            first.name,
            f"and the other data share {common.size * own.width_hz:.6g} Hz, less than one channel of {width_kms:g} "
            "km/s; choose narrower channels (--channel-width-kms)",
        )
    return TargetAxis(frame, float(common[0]) + 0.5 * width_hz, width_hz, n_channels)


@dataclass(frozen=True)
class _Band:
    """A source's outer edges and channel width in the frame, at the start of its observation."""

    low_hz: float
    high_hz: float
    width_hz: float


def _band(source: Source, frame: FrequencyFrame) -> _Band:
    factor = frame_factor(source, frame).at_start
    width_hz = channel_spacing_hz(source) * factor
    first_hz, last_hz = (float(source.frequency_hz[i]) * factor for i in (0, -1))
    return _Band(first_hz - 0.5 * width_hz, last_hz + 0.5 * width_hz, width_hz)


def _common_channels(sources: Sequence[Source], bands: Sequence[_Band], frame: FrequencyFrame) -> np.ndarray:
    """Return the lower edges [Hz] of the first source's channels that all sources cover.

    Raises:
        ContractError: there are none.

    """
    own = bands[0]
    widest = max(band.width_hz for band in bands)
    slack = (0.5 + TIE) * widest
    lower_edge = own.low_hz + own.width_hz * np.arange(sources[0].frequency_hz.size)
    common = lower_edge[
        (lower_edge >= max(band.low_hz for band in bands) - slack)
        & (lower_edge + own.width_hz <= min(band.high_hz for band in bands) + slack)
    ]
    if common.size == 0:
        spans = ", ".join(
            f"{source.name} {1e-9 * band.low_hz:.6f} to {1e-9 * band.high_hz:.6f} GHz"
            for source, band in zip(sources, bands, strict=True)
        )
        raise ContractError(
            sources[0].name, f"shares no channel with the other data ({frame}: {spans}); leave one out"
        )
    return common


def _width_hz(first: Source, width_kms: float, rest_frequency_hz: float | None, widest_hz: float) -> float:
    """Return the width wanted in hertz, checked."""
    rest_hz = rest_frequency_hz or first.observation.rest_frequency_hz
    if rest_hz is None:
        raise ContractError(first.name, "does not give the rest frequency; give one with the channel width")
    width_hz = width_kms / SPEED_OF_LIGHT_KMS * rest_hz
    if not width_hz >= (1.0 - SAME_WIDTH) * widest_hz:
        narrowest_kms = widest_hz / rest_hz * SPEED_OF_LIGHT_KMS
        raise ContractError(
            first.name,
            f"cannot have channels of {width_kms:g} km/s, narrower than the data's; choose "
            f"{math.ceil(1e3 * narrowest_kms) / 1e3:g} km/s or more (--channel-width-kms)",
        )
    return width_hz
