"""uv coverage from antenna positions and an hour-angle track, or from an existing data set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from steelyard_schemas import Store, Visibilities

__all__ = ["UvTrack", "track_of", "uv_track"]

SIDEREAL_PER_SOLAR = 1.00273790935


class UvTrack(NamedTuple):
    """Baselines as sampled by a telescope; all fields have shape (row,)."""

    u_m: np.ndarray
    """Baseline component u [m]."""
    v_m: np.ndarray
    """Baseline component v [m]."""
    w_m: np.ndarray
    """Baseline component w [m]."""
    time_mjd_s: np.ndarray
    """UTC of the sample, modified Julian date in seconds."""
    antenna1: np.ndarray
    """Index of the first antenna."""
    antenna2: np.ndarray
    """Index of the second antenna."""
    scan: np.ndarray
    """Scan number."""


def uv_track(
    antenna_enu_m: np.ndarray,
    latitude_deg: float,
    declination_deg: float,
    hour_angle_start_h: float,
    hour_angle_end_h: float,
    integration_s: float,
    start_mjd_s: float = 5.1e9,
) -> UvTrack:
    """Sample every baseline of an array along an hour-angle track (Thompson, Moran & Swenson 2017, eq. 4.1).

    Args:
        antenna_enu_m: positions east, north and up from the array's centre [m], shape (antenna, 3).
        latitude_deg: latitude of the array [deg].
        declination_deg: declination of the phase centre [deg].
        hour_angle_start_h: hour angle at the start of the track [h].
        hour_angle_end_h: hour angle at the end of the track [h].
        integration_s: integration time [s].
        start_mjd_s: UTC at the start of the track, modified Julian date in seconds.

    Returns:
        Samples ordered by time, then baseline.

    Raises:
        ValueError: fewer than two antennas, or a track shorter than one integration.

    """
    antennas = np.asarray(antenna_enu_m, float)
    if antennas.ndim != 2 or antennas.shape[1] != 3 or len(antennas) < 2:
        raise ValueError(f"antenna_enu_m has shape {antennas.shape}, expected (antenna >= 2, 3)")
    track_s = (hour_angle_end_h - hour_angle_start_h) * 3600 / SIDEREAL_PER_SOLAR
    # Slack of a hundredth of a sample keeps rounding from dropping the last one.
    n_times = int(track_s / integration_s + 0.01)
    if n_times < 1:
        raise ValueError(f"the track lasts {track_s:.0f} s, less than one integration of {integration_s:g} s")
    east, north, up = antennas.T
    latitude, declination = np.radians(latitude_deg), np.radians(declination_deg)
    # Equatorial frame: x towards the meridian, y east, z towards the pole.
    equatorial = np.stack(
        [up * np.cos(latitude) - north * np.sin(latitude), east, north * np.cos(latitude) + up * np.sin(latitude)]
    )
    first, second = np.triu_indices(len(antennas), 1)
    x, y, z = (equatorial[:, second] - equatorial[:, first])[:, None, :]
    seconds = (np.arange(n_times) + 0.5) * integration_s
    hour_angle = np.radians(15 * (hour_angle_start_h + seconds * SIDEREAL_PER_SOLAR / 3600))[:, None]
    sin_h, cos_h = np.sin(hour_angle), np.cos(hour_angle)
    toward = x * cos_h - y * sin_h
    return UvTrack(
        u_m=(x * sin_h + y * cos_h).ravel(),
        v_m=(z * np.cos(declination) - toward * np.sin(declination)).ravel(),
        w_m=(z * np.sin(declination) + toward * np.cos(declination)).ravel(),
        time_mjd_s=np.repeat(start_mjd_s + seconds, len(first)),
        antenna1=np.tile(first.astype(np.int32), n_times),
        antenna2=np.tile(second.astype(np.int32), n_times),
        scan=np.ones(n_times * len(first), np.int32),
    )


def track_of(data: Store[Visibilities]) -> UvTrack:
    """Return the uv coverage of an existing data set."""
    return UvTrack(*(data[name] for name in UvTrack._fields))
