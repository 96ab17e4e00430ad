"""What a simulation may be asked for, in one table, and whether its data fit in memory."""

from __future__ import annotations

import math
from typing import NamedTuple

from steelyard_schemas import ContractError, Galaxy, require_memory

__all__ = ["check_memory", "check_simulation"]


class _Limit(NamedTuple):
    low: float
    high: float
    unit: str


LIMITS = {
    "noise_jy": _Limit(0.0, 1e6, "Jy"),
    "declination_deg": _Limit(-90.0, 90.0, "degrees"),
    "hours": _Limit(1e-4, 24.0, "h"),
    "integration_s": _Limit(1e-3, 3600.0, "s"),
    "n_channels": _Limit(2, 1e6, "channels"),
    "channel_width_kms": _Limit(1e-4, 1e5, "km/s"),
    "seed": _Limit(0, 2**63 - 1, ""),
}
"""Lowest and highest value of each number that a simulation is given."""
BYTES_PER_SAMPLE = 64
"""Of one visibility of one channel while it is made: complex in double precision, its noise, weight and flag."""
BYTES_PER_VOXEL = 128
"""Of the model's cube, its subcells and its transform: 118 were measured."""
LEAST_NOISE_JY = 1e-15
"""Unless there is none; weights, its inverse square, are in single precision."""


def check_simulation(**given: float) -> None:
    """Refuse numbers of a simulation that make no sense, all at once.

    Raises:
        ContractError: a number is not finite, or beyond its limits.

    """
    problems = []
    for name, value in given.items():
        low, high, unit = LIMITS[name]
        if not (math.isfinite(value) and low <= value <= high):
            problems.append(f"{name} is {value}, must be within {low:g} and {high:.12g} {unit}".rstrip())
    if 0 < given.get("noise_jy", 0) < LEAST_NOISE_JY:
        problems.append(f"noise_jy is {given['noise_jy']}, must be 0 or {LEAST_NOISE_JY:g} Jy at least")
    if problems:
        raise ContractError("simulation", problems)


def check_memory(galaxy: Galaxy, n_rows: float, n_channels: int) -> None:
    """Refuse a simulation whose data or whose model's cube do not fit in this machine's memory.

    Raises:
        ContractError: they do not.

    """
    samples = float(n_rows) * n_channels
    require_memory(
        "simulation",
        f"{n_rows:.4g} rows in {n_channels} channels",
        BYTES_PER_SAMPLE * samples,
        "choose fewer channels, a shorter track or longer integrations",
    )
    if galaxy.data.grid is not None:
        npix = 2 * galaxy.data.grid.npix  # as a simulation refines it
        require_memory(
            "simulation",
            f"a model of {n_channels} channels and {npix} x {npix} pixels",
            BYTES_PER_VOXEL * float(n_channels) * npix**2,
            "choose fewer channels or a smaller [data.grid]",
        )
