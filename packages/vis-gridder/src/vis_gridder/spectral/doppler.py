"""Frequency factors between the frames of the observatory, the Earth, the Solar System and the local stars.

A frame that moves at the velocity b c towards the source sees f = f_bary sqrt((1 + b) / (1 - b)). As in casacore's
MFrequency, b is the component along the line of sight only: the transverse Doppler shift and the gravitational
redshift, together 3.1 to 4.8 m/s, are left out, so that our frequencies are those that CASA writes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.coordinates import EarthLocation, get_body_barycentric_posvel
from astropy.time import Time
from astropy.utils import iers
from steelyard_schemas import ContractError, Observation
from steelyard_schemas.observation import FrequencyFrame

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.stream.source import Source

__all__ = ["ARRAY_POSITIONS_M", "FrameFactor", "array_position_m", "frame_factor"]

ARRAY_POSITIONS_M: dict[str, tuple[float, float, float]] = {
    "ALMA": (2225142.0, -5440307.0, -2481030.0),
    "VLA": (-1601185.0, -5041978.0, 3554876.0),
    "EVLA": (-1601185.0, -5041978.0, 3554876.0),
    "JVLA": (-1601185.0, -5041978.0, 3554876.0),
    "NOEMA": (4523998.0, 468045.0, 4460310.0),
    "SMA": (-5462449.0, -2491970.0, 2164446.0),
    "ATCA": (-4750916.0, 2792906.0, -3200484.0),
    "MEERKAT": (5109217.0, 2006798.0, -3239134.0),
    "GMRT": (1657070.0, 5797969.0, 2073044.0),
    "UGMRT": (1657070.0, 5797969.0, 2073044.0),
    "ASKAP": (-2558267.0, 5095672.0, -2849021.0),
    "WSRT": (3828489.0, 443253.0, 5064978.0),
    "CARMA": (-2397390.0, -4482069.0, 3843528.0),
}
"""ITRF positions from casacore's table Observatories; a kilometre is 0.07 m/s of the Earth's rotation."""

STANDARDS_OF_REST_KMS: dict[str, tuple[float, float, float]] = {
    "BARY": (0.0, 0.0, 0.0),
    "LSRK": (0.28997, -17.31727, 10.00141),
    "LSRD": (-0.63823, -14.58542, 7.80116),
}
"""The barycentre's velocity in the frame, ICRS axes. LSRK: 20 km/s towards 18h +30 deg, equinox 1900 (Gordon
1976); LSRD: (9, 12, 7) km/s in Galactic coordinates (Delhaye 1965)."""

MOVING = ("TOPO", "GEO")
STEP_S = 600.0
"""Between velocities computed. The Earth's rotation, 0.465 km/s at most, departs from a straight line of this
length by 0.465 (2 pi / 86164 s)^2 step^2 / 8 = 0.11 m/s."""
EPHEMERIS_MJD = (15020.0, 88069.0)
"""The years 1900 to 2100, for which the Earth's velocity is known (ERFA's epv00)."""


@dataclass(frozen=True, eq=False)
class FrameFactor:
    """Frequency in a frame over the frequency in the data.

    Attributes:
        frame: the frame it leads to.
        at: gives the factor, any shape, from times, UTC, modified Julian date in seconds.
        at_start: the factor at the start of the data.
        constant: the factor where it does not depend on time, otherwise None.

    """

    frame: FrequencyFrame
    at: Callable[[np.ndarray], np.ndarray]
    at_start: float
    constant: float | None


def frame_factor(source: Source, frame: FrequencyFrame) -> FrameFactor:
    """Return what the frequencies of a source are to be multiplied with to be those in a frame.

    Factors that change with time are computed every ten minutes and interpolated, to 0.11 m/s.

    Args:
        source: the data; its frame, direction, telescope and whether it has times matter.
        frame: LSRK, LSRD, BARY, GEO, TOPO, or the data's own, whichever that is.

    Raises:
        ContractError: one of the frames is no such frame, or times or the array's position are needed and
            not known, or lie outside the ephemeris. Of rows, this shows when their factor is asked for.

    """
    sky = source.observation
    if sky.frequency_frame == frame:
        return FrameFactor(frame, lambda time_mjd_s: np.ones(np.shape(time_mjd_s)), 1.0, 1.0)
    for name, whose in ((sky.frequency_frame, "the data's"), (frame, "the wanted")):
        if name not in STANDARDS_OF_REST_KMS and name not in MOVING:
            raise ContractError(
                source.name,
                f"{whose} frequency frame is {name}, which cannot be converted (TOPO, GEO, BARY, LSRK and LSRD can); "
                "keep the data's own frame, or put one into the file with CASA's mstransform(outframe='LSRK')",
            )
    if not {sky.frequency_frame, frame} & set(MOVING):
        value = float(_ratio(_rest_velocity_kms(sky, frame)) / _ratio(_rest_velocity_kms(sky, sky.frequency_frame)))
        return FrameFactor(frame, lambda time_mjd_s: np.full(np.shape(time_mjd_s), value), value, value)
    if source.start_mjd_s is None:
        raise ContractError(
            source.name,
            f"holds no times, which {sky.frequency_frame} to {frame} needs; keep the frame {sky.frequency_frame}, or "
            "start from the Measurement Set or UVFITS file",
        )
    position_m = array_position_m(source) if "TOPO" in (sky.frequency_frame, frame) else (0.0, 0.0, 0.0)

    def exactly(time_mjd_s: np.ndarray) -> np.ndarray:
        def velocity_kms(name: str) -> np.ndarray | float:
            if name in MOVING:
                return _observer_velocity_kms(sky, time_mjd_s, position_m if name == "TOPO" else None)
            return _rest_velocity_kms(sky, name)

        return np.asarray(_ratio(velocity_kms(frame)) / _ratio(velocity_kms(sky.frequency_frame)))

    at = _interpolated(source.name, exactly)
    return FrameFactor(frame, at, float(at(np.array(source.start_mjd_s))), None)


def array_position_m(source: Source) -> tuple[float, float, float]:
    """Return where the array stands, ITRF, m: as the data say, or else as the telescope's name tells.

    Raises:
        ContractError: neither is known.

    """
    if source.observation.array_position_m is not None:
        return source.observation.array_position_m
    telescope = source.observation.telescope
    try:
        return ARRAY_POSITIONS_M[telescope.strip().upper()]
    except KeyError:
        raise ContractError(
            source.name,
            f"does not give the position of the telescope {telescope!r}, which its frame needs; give "
            "array_position_m, or convert the file with CASA's mstransform(outframe='LSRK')",
        ) from None


def _ratio(velocity_kms: np.ndarray | float) -> np.ndarray | float:
    """Return f / f_bary for a frame that moves towards the source."""
    b = velocity_kms / SPEED_OF_LIGHT_KMS
    return np.sqrt((1.0 + b) / (1.0 - b))


def _direction(sky: Observation) -> np.ndarray:
    """Return the unit vector towards the phase centre, ICRS."""
    ra, dec = np.deg2rad([sky.phase_centre_ra_deg, sky.phase_centre_dec_deg])
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def _rest_velocity_kms(sky: Observation, frame: str) -> float:
    """Return the velocity of a standard of rest towards the source, from the barycentre, km/s."""
    return -float(_direction(sky) @ np.array(STANDARDS_OF_REST_KMS[frame]))


def _observer_velocity_kms(
    sky: Observation, time_mjd_s: np.ndarray, position_m: tuple[float, float, float] | None
) -> np.ndarray:
    """Return the velocity towards the source, from the barycentre, of the Earth's centre or of a place on it, km/s.

    Nothing is fetched: Earth orientation comes with astropy, and beyond its tables UT1 = UTC. That is right to a
    second for as long as there are leap seconds, a turn of 7e-5 rad, which changes 0.465 km/s by 0.03 m/s.
    """
    times = Time(np.asarray(time_mjd_s) / 86400.0, format="mjd", scale="utc")
    with (
        warnings.catch_warnings(),
        iers.earth_orientation_table.set(iers.IERS_B.open()),
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        # Leap seconds or polar motion of the year are not known, which the docstring weighs.
        warnings.filterwarnings("ignore", message=".*(dubious year|polar motions)")
        velocity = get_body_barycentric_posvel("earth", times, ephemeris="builtin")[1].xyz
        if position_m is not None:
            place = EarthLocation.from_geocentric(*position_m, unit=units.m)
            velocity = velocity + place.get_gcrs_posvel(times)[1].xyz
    return _direction(sky) @ velocity.to_value(units.km / units.s)


def _interpolated(where: str, exactly: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of time, linear between multiples of the step, each of which is computed once."""
    known: dict[int, float] = {}

    def at(time_mjd_s: np.ndarray) -> np.ndarray:
        days = np.asarray(time_mjd_s, float) / 86400.0
        if not np.all((days > EPHEMERIS_MJD[0]) & (days < EPHEMERIS_MJD[1])):
            raise ContractError(
                where,
                "holds times that are missing or outside 1900 to 2100, so its frequency frame cannot be changed",
            )
        below = np.floor(days * (86400.0 / STEP_S)).astype(np.int64)
        nodes = np.union1d(below, below + 1)
        if missing := [int(node) for node in nodes if int(node) not in known]:
            known.update(zip(missing, exactly(np.array(missing) * STEP_S).tolist(), strict=True))
        return np.interp(time_mjd_s, nodes * STEP_S, [known[int(node)] for node in nodes])

    return at
