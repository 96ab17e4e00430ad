"""Units that file formats and the sky share."""

from __future__ import annotations

import math

__all__ = ["ARCSEC", "SPEED_OF_LIGHT_KMS", "SPEED_OF_LIGHT_M_S"]

ARCSEC = math.pi / 648_000.0
"""One second of arc in radians."""
SPEED_OF_LIGHT_M_S = 299_792_458.0
SPEED_OF_LIGHT_KMS = SPEED_OF_LIGHT_M_S / 1000.0
