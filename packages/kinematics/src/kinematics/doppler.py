"""Doppler shift between velocities in a galaxy's own frame and observed frequencies.

Gas that recedes at v in the frame of a galaxy of redshift z emits a line of rest frequency f_rest that is observed at

    f = f_rest / ((1 + z) (1 + v / c)).

The systemic velocity is quoted in the radio definition, v_sys = c (1 - f_sys / f_rest), so that
1 + z = 1 / (1 - v_sys / c). The radio velocities r of two points in the galaxy therefore differ by less than
their v: v = (r - v_sys) / (1 - r / c), about (1 + z) times the difference. Confusing the two biases the mass by a
factor (1 + z)^2.

Velocities about the middle of a band, w = c (f_mid / f - 1), are linear in v: w = offset + stretch v. A line that is
Gaussian in v is Gaussian in w, and channel edges have the same w whatever the systemic velocity.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import C_KMS
from kinematics.grids import VelocityGrid

__all__ = ["BandShift", "band_shift", "galaxy_velocity_kms", "optical_velocity_kms", "radio_velocity_kms", "redshift"]


class BandShift(NamedTuple):
    """Linear map from velocities in a galaxy's frame to velocities about the middle of a band."""

    offset_kms: Array
    """Velocity [km/s] of the galaxy's centre about the middle of the band, shape ()."""
    stretch: Array
    """Ratio of observed to rest-frame velocity differences, (1 + z) / (1 + z of the middle), shape ()."""


def redshift[T: (float, np.ndarray, Array)](vsys_kms: T) -> T:
    """Return the redshift z of a systemic velocity [km/s] in the radio definition; any shape."""
    return vsys_kms / (C_KMS - vsys_kms)


def optical_velocity_kms[T: (float, np.ndarray, Array)](vsys_kms: T) -> T:
    """Convert a systemic velocity [km/s] from the radio to the optical definition, c z [km/s]; any shape."""
    return C_KMS * redshift(vsys_kms)


def radio_velocity_kms[T: (float, np.ndarray, Array)](z: T) -> T:
    """Return the systemic velocity [km/s], radio definition, for a redshift z > -1; any shape."""
    return C_KMS * z / (1 + z)


def galaxy_velocity_kms[T: (float, np.ndarray, Array)](radio_kms: T, vsys_kms: float) -> T:
    """Convert radio velocities to velocities in a galaxy's frame.

    Args:
        radio_kms: c (1 - f / f_rest) of the observed frequencies, any shape.
        vsys_kms: systemic velocity, radio definition.

    Returns:
        Velocities [km/s] in the galaxy's frame, shape of `radio_kms`.

    """
    return (radio_kms - vsys_kms) / (1 - radio_kms / C_KMS)


def band_shift(vsys_kms: ArrayLike, channels: VelocityGrid) -> BandShift:
    """Return the map from velocities in a galaxy's frame to velocities about the middle of a band.

    The difference from the middle is taken first, in the precision of `vsys_kms`: single precision resolves
    1e5 km/s only to 8 m/s.

    Args:
        vsys_kms: systemic velocity, radio definition, a scalar.
        channels: the band.

    """
    vsys = jnp.asarray(vsys_kms)
    middle = channels.middle_kms
    return BandShift((vsys - middle) / (1 - vsys / C_KMS), (1 - middle / C_KMS) / (1 - vsys / C_KMS))
