"""Velocities of gridded data, in the radio definition and in a galaxy's frame (see docs/conventions.md)."""

from __future__ import annotations

import numpy as np
from kinematics import C_KMS, VelocityGrid
from steelyard_schemas import GriddedVisibilities, Store
from vis_gridder import radio_velocity_kms

__all__ = ["channel_width_kms", "velocities_kms", "velocity_grid"]


def velocity_grid(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> VelocityGrid:
    """Return the channels of the data as a grid of radio velocities."""
    return VelocityGrid.from_frequencies(data["frequency_hz"], data.manifest.channel_width_hz, rest_frequency_hz)


def velocities_kms(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> np.ndarray:
    """Return the radio velocities c (1 - f / f_rest) of the channel centres, shape (channel,), descending."""
    return radio_velocity_kms(data["frequency_hz"], rest_frequency_hz)


def channel_width_kms(data: Store[GriddedVisibilities], rest_frequency_hz: float, vsys_kms: float) -> float:
    """Return the channel width [km/s] in a galaxy's frame: c times width over observed frequency of the line."""
    return C_KMS * data.manifest.channel_width_hz / rest_frequency_hz / (1 - vsys_kms / C_KMS)
