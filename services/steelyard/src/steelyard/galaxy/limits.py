"""Limits on the inputs of a simulation, and a check that its data fit in memory."""

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
"""Lowest and highest value of each input of a simulation."""
BYTES_PER_SAMPLE = 64
"""Peak memory per visibility and channel [bytes]: double-precision complex value, noise, weight and flag."""
BYTES_PER_VOXEL = 128
"""Peak memory per voxel of the model's cube with its subcells and transform [bytes]; measured: 118."""
LEAST_NOISE_JY = 1e-15
"""Minimum non-zero noise [Jy]: weights, its inverse square, are in single precision."""


def check_simulation(**given: float) -> None:
    """Check the inputs of a simulation and report all problems at once.

    Raises:
        ContractError: a value is not finite or exceeds its limits.

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
    """Check that the data and the model cube of a simulation fit in memory.

    Raises:
        ContractError: they do not fit.

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
