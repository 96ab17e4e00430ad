"""Physical constants in the units used inside: pc, km/s, Msun, arcsec."""

from __future__ import annotations

import math

from astropy import constants, units
from jax import Array

__all__ = ["ARCSEC_RAD", "C_KMS", "G_PC_KMS2_MSUN", "pc_per_arcsec"]

G_PC_KMS2_MSUN: float = float(constants.G.to_value(units.pc * (units.km / units.s) ** 2 / units.Msun))
C_KMS: float = float(constants.c.to_value(units.km / units.s))
ARCSEC_RAD = math.pi / (180 * 3600)


def pc_per_arcsec[T: (float, Array)](distance_mpc: T) -> T:
    """Return the length [pc] that one arcsecond spans at an angular-diameter distance [Mpc]."""
    return distance_mpc * 1e6 * ARCSEC_RAD
