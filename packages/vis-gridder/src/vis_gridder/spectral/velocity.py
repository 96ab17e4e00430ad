"""Radio velocities: v = c (1 - f / f_rest)."""

from __future__ import annotations

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_KMS

__all__ = ["channels_within", "radio_velocity_kms"]


def radio_velocity_kms(frequency_hz: np.ndarray, rest_frequency_hz: float) -> np.ndarray:
    """Return the radio velocity, km/s, in the frame of the frequencies; any shape."""
    return SPEED_OF_LIGHT_KMS * (1.0 - np.asarray(frequency_hz, float) / rest_frequency_hz)


def channels_within(
    name: str, frequency_hz: np.ndarray, rest_hz: float | None, low_kms: float | None, high_kms: float | None
) -> range:
    """Return the channels from the first to the last within a range of radio velocities; all of them without one.

    Args:
        name: name of the data, for errors.
        frequency_hz: [channel] ascending.
        rest_hz: rest frequency of the line.
        low_kms: lowest velocity; none if None.
        high_kms: highest velocity; none if None.

    Raises:
        ContractError: a range without a rest frequency, or one that holds no channel.

    """
    if low_kms is None and high_kms is None:
        return range(frequency_hz.size)
    if rest_hz is None:
        raise ContractError(name, "does not give the rest frequency; give one with the velocity range")
    velocity = radio_velocity_kms(frequency_hz, rest_hz)
    inside = (velocity >= (-np.inf if low_kms is None else low_kms)) & (
        velocity <= (np.inf if high_kms is None else high_kms)
    )
    kept = np.flatnonzero(inside)
    if kept.size == 0:
        raise ContractError(
            name,
            f"has no channel within the velocity range; its channels are at {velocity.min():.1f} to "
            f"{velocity.max():.1f} km/s for a rest frequency of {rest_hz / 1e9:.6f} GHz",
        )
    return range(int(kept[0]), int(kept[-1]) + 1)
