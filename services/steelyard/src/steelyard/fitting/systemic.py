"""Systemic velocity in its usual definitions: radio, optical and redshift."""

from __future__ import annotations

import numpy as np
from kinematics import optical_velocity_kms, redshift
from steelyard_schemas.observation import FrequencyFrame
from steelyard_schemas.posterior import SystemicVelocity

__all__ = ["systemic_text", "systemic_velocity"]


def systemic_velocity(radio_kms: np.ndarray, frame: FrequencyFrame) -> SystemicVelocity:
    """Summarise the systemic velocity.

    Args:
        radio_kms: draws in the radio definition [km/s], any shape; a single number if it was fixed.
        frame: reference frame of the data's frequencies.

    """
    middle = float(np.median(radio_kms))
    z = redshift(middle)
    return SystemicVelocity(
        radio_kms=middle,
        optical_kms=optical_velocity_kms(middle),
        redshift=z,
        # Differences of radio velocity are smaller than those in the galaxy's frame by 1 + z.
        sd_kms=float(np.std(radio_kms)) * (1 + z),
        frame=frame,
    )


def systemic_text(systemic: SystemicVelocity) -> str:
    """Format the three definitions and the error in one line."""
    return (
        f"systemic velocity {systemic.radio_kms:.1f} km/s (radio), {systemic.optical_kms:.1f} km/s (optical), "
        f"z = {systemic.redshift:.6f}; +- {systemic.sd_kms:.2g} km/s in the galaxy's frame; {systemic.frame}"
    )
