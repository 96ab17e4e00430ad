"""Preparation of data sets for one grid: common channels in one frame, without continuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from steelyard_schemas import ContractError
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.spectral.axes import target_axis
from vis_gridder.spectral.channels import to_axis
from vis_gridder.spectral.continuum import HIGHEST_ORDER, subtract_continuum
from vis_gridder.spectral.doppler import MOVING
from vis_gridder.spectral.frames import convert_frame
from vis_gridder.stream.source import Source

__all__ = ["SAME_CHANNEL", "Spectral", "prepare", "same_channels"]

DEFAULT_FRAME: FrequencyFrame = "LSRK"
"""Default frame for data whose frame moves with the Earth, as in ALMA's pipeline and most of the literature."""
SAME_CHANNEL = 0.05
"""Largest frequency difference, in channels, of data sets gridded together."""


@dataclass(frozen=True)
class Spectral:
    """Choices for the spectra before gridding.

    Attributes:
        frame: frame of the frequencies; None leaves a frame at rest as it is and converts TOPO and GEO to LSRK,
            "file" leaves any frame as it is.
        channel_width_kms: average to channels of this width.
        rest_frequency_hz: what velocities refer to; the data's own where None.
        continuum_kms: velocity ranges without line, in the frame of the grid; their polynomial is subtracted.
        continuum_order: its order.

    """

    frame: Literal["LSRK", "BARY", "TOPO", "file"] | None = None
    channel_width_kms: float | None = None
    rest_frequency_hz: float | None = None
    continuum_kms: tuple[tuple[float, float], ...] = ()
    continuum_order: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.continuum_order <= HIGHEST_ORDER:
            raise ContractError("grid", f"continuum_order is {self.continuum_order}, must be 0 to {HIGHEST_ORDER}")


def prepare(sources: Sequence[Source], spectral: Spectral) -> list[Source]:
    """Return the data sets with common channels in one frame, continuum subtracted, as far as asked for.

    Raises:
        ContractError: see `subtract_continuum`, `convert_frame`, `target_axis` and `uniform_channels`.

    """
    frames = {source.observation.frequency_frame for source in sources}
    first = sources[0].observation.frequency_frame
    wanted = first if spectral.frame == "file" else spectral.frame
    if wanted is None:
        wanted = DEFAULT_FRAME if frames & set(MOVING) else first
    if spectral.continuum_kms:
        # In the frame of the grid, in which the ranges are meant, and before averaging mixes line and continuum.
        sources = [
            subtract_continuum(
                convert_frame(source, wanted),
                velocity_ranges_kms=spectral.continuum_kms,
                rest_frequency_hz=spectral.rest_frequency_hz,
                order=spectral.continuum_order,
            )
            for source in sources
        ]
        frames = {wanted}
    if spectral.channel_width_kms is None:
        if frames == {wanted} and same_channels(sources):
            return list(sources)
        if len(sources) == 1:
            return [convert_frame(sources[0], wanted)]
    axis = target_axis(
        sources, wanted, width_kms=spectral.channel_width_kms, rest_frequency_hz=spectral.rest_frequency_hz
    )
    return [to_axis(source, axis) for source in sources]


def same_channels(sources: Sequence[Source]) -> bool:
    """Return whether all have the channels of the first, within a twentieth of a channel."""
    first = sources[0]
    return all(
        other.frequency_hz.size == first.frequency_hz.size
        and bool(np.all(np.abs(first.frequency_hz - other.frequency_hz) <= SAME_CHANNEL * first.channel_width_hz))
        for other in sources[1:]
    )
