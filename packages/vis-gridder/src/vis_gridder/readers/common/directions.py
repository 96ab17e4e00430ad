"""Directions of files on one footing."""

from __future__ import annotations

import numpy as np
from astropy import units
from astropy.coordinates import FK4, FK5, ICRS, SkyCoord

__all__ = ["icrs_degrees", "known_equinox", "north_angle_rad"]

STEP_DEG = 0.01
"""Step along the meridian of an equinox from which its position angle is found."""


def known_equinox(equinox: float) -> bool:
    """Return whether an equinox can be that of a catalogue or an observation; others are marks for "none"."""
    return equinox == 1950.0 or 1970.0 <= equinox <= 2100.0


def icrs_degrees(ra_deg: float, dec_deg: float, equinox: float) -> tuple[float, float]:
    """Return right ascension in [0, 360) and declination, ICRS degrees.

    Equinox 1950 is taken as FK4. Others are precessed as FK5 but for 2000, and for those that are none, which stay as
    they are: J2000 differs from ICRS by 0.02 arcsec, far below any phase centre's meaning.
    """
    if equinox == 2000.0 or not known_equinox(equinox):
        return ra_deg % 360.0, dec_deg
    place = _of_equinox(ra_deg, dec_deg, equinox)
    return float(place.ra.deg), float(place.dec.deg)


def north_angle_rad(ra_deg: float, dec_deg: float, equinox: float) -> float:
    """Return the position angle, from ICRS north through east, of an equinox's north at a direction of it."""
    if equinox == 2000.0 or not known_equinox(equinox):
        return 0.0
    southward = dec_deg > 0
    place, further = (
        _of_equinox(ra_deg, dec_deg + step, equinox) for step in (0.0, -STEP_DEG if southward else STEP_DEG)
    )
    angle = float(place.position_angle(further).rad) - (np.pi if southward else 0.0)
    return float(np.remainder(angle + np.pi, 2 * np.pi) - np.pi)


def _of_equinox(ra_deg: float, dec_deg: float, equinox: float) -> SkyCoord:
    frame = FK4(equinox="B1950") if equinox == 1950.0 else FK5(equinox=f"J{equinox:.4f}")
    return SkyCoord(ra_deg, dec_deg, unit=units.deg, frame=frame).transform_to(ICRS())
