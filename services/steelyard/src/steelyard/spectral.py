"""Velocities of gridded data."""

from __future__ import annotations

import numpy as np
from kinematics import C_KMS, VelocityGrid
from steelyard_schemas import GriddedVisibilities, Store

__all__ = ["channel_width_kms", "velocities_kms", "velocity_grid"]


def velocity_grid(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> VelocityGrid:
    """Return the data's channels as radio velocities."""
    return VelocityGrid.from_frequencies(data["frequency_hz"], data.manifest.channel_width_hz, rest_frequency_hz)


def velocities_kms(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> np.ndarray:
    """Return the channel centres, v = c (1 - f / f_rest), in the order of the data (descending)."""
    return C_KMS * (1 - data["frequency_hz"] / rest_frequency_hz)


def channel_width_kms(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> float:
    """Return the width of a channel."""
    return C_KMS * data.manifest.channel_width_hz / rest_frequency_hz
