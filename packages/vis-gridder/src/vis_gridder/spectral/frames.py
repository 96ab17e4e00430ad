"""A source's frequencies in another frame."""

from __future__ import annotations

from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.spectral.axes import target_axis
from vis_gridder.spectral.channels import to_axis
from vis_gridder.spectral.doppler import frame_factor
from vis_gridder.stream.source import Source
from vis_gridder.stream.step import with_step

__all__ = ["convert_frame"]


def convert_frame(source: Source, frame: FrequencyFrame) -> Source:
    """Return a source whose frequencies are those of another frame.

    Between frames at rest (LSRK, BARY) the frequencies change by one factor and the samples stay as they are. To or
    from TOPO the factor changes within the track; the new channels are the old ones as they are at its start, and
    each sample goes to the one that contains it at its time, undivided (`uniform_channels`).

    u, v and w stay in metres. In wavelengths of the new frequencies they are off by the factor, 1e-4 at most, and so
    is the scale of an image.

    Args:
        source: the data; one that is in the frame already is returned as it is.
        frame: the frame wanted.

    Raises:
        ContractError: see `frame_factor`.

    """
    factor = frame_factor(source, frame)
    if factor.constant is None:
        return to_axis(source, target_axis([source], frame))
    was = source.observation.frequency_frame
    if frame == was:
        return source
    return with_step(
        source,
        lambda blocks, notes: blocks,
        [f"frequencies from {was} to {frame}, times {factor.constant:.12f}"],
        observation=source.observation.model_copy(update={"frequency_frame": frame}),
        frequency_hz=source.frequency_hz * factor.constant,
        channel_width_hz=source.channel_width_hz * factor.constant,
    )
