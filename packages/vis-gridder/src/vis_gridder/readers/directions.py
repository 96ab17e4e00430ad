"""Directions of files on one footing."""

from __future__ import annotations

from astropy import units
from astropy.coordinates import FK4, ICRS, SkyCoord

__all__ = ["icrs_degrees"]


def icrs_degrees(ra_deg: float, dec_deg: float, equinox: float) -> tuple[float, float]:
    """Return right ascension in [0, 360) and declination, ICRS degrees.

    Equinox 1950 is taken as FK4; any other as J2000, which differs from ICRS by 0.02 arcsec, far below any
    phase centre's meaning.
    """
    if equinox == 1950.0:
        place = SkyCoord(ra_deg, dec_deg, unit=units.deg, frame=FK4(equinox="B1950")).transform_to(ICRS())
        return float(place.ra.deg), float(place.dec.deg)
    return ra_deg % 360.0, dec_deg
