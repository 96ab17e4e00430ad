"""Radio velocities: v = c (1 - f / f_rest)."""

from __future__ import annotations

import numpy as np

from vis_gridder.constants import SPEED_OF_LIGHT_KMS

__all__ = ["radio_velocity_kms"]


def radio_velocity_kms(frequency_hz: np.ndarray, rest_frequency_hz: float) -> np.ndarray:
    """Return the radio velocity, km/s, in the frame of the frequencies; any shape."""
    return SPEED_OF_LIGHT_KMS * (1.0 - np.asarray(frequency_hz, float) / rest_frequency_hz)
