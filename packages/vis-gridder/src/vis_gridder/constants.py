"""Physical constants, limits and defaults shared by all modules."""

from __future__ import annotations

import math

__all__ = [
    "ARCSEC",
    "DEFAULT_BETA",
    "DEFAULT_MIN_COUNT",
    "LARGEST_JY",
    "SPEED_OF_LIGHT_KMS",
    "SPEED_OF_LIGHT_M_S",
]

ARCSEC = math.pi / 648_000.0
"""One second of arc in radians."""
SPEED_OF_LIGHT_M_S = 299_792_458.0
SPEED_OF_LIGHT_KMS = SPEED_OF_LIGHT_M_S / 1000.0
LARGEST_JY = 1e15
"""Upper limit of |visibility|, above the Sun's strongest bursts (1e11 Jy); larger values are fill values."""
DEFAULT_BETA = 2.0
"""Shape of the Kaiser-Bessel kernel."""
DEFAULT_MIN_COUNT = 10
"""Visibilities of one channel in a cell from which on its variance comes from their scatter."""
