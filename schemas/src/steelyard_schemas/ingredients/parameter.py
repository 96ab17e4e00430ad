"""Parameter of an ingredient, and the data estimates on which its prior and start may depend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from steelyard_schemas.priors import LogUniform, Prior

__all__ = ["DataEstimates", "Parameter", "Start", "size_prior"]


class DataEstimates(NamedTuple):
    """Rough estimates from the dirty cube of a data set."""

    x0_arcsec: float
    """Offset of the centre east of the phase centre [arcsec]."""
    y0_arcsec: float
    """Offset of the centre north of the phase centre [arcsec]."""
    pa_deg: float
    """Position angle [deg], as in the galaxy file."""
    vsys_kms: float
    """Systemic velocity [km/s], radio definition."""
    radius_arcsec: float
    """Flux-weighted mean distance from the centre [arcsec]."""
    rotation_kms: float
    """Rough rotation speed [km/s]: twice the flux-weighted velocity spread, as for a ring at 45 deg."""
    flux_jykms: float
    """Line flux [Jy km/s], integrated over velocity in the galaxy's frame."""
    velocity_min_kms: float
    """Velocity of the last channel [km/s], radio definition."""
    velocity_max_kms: float
    """Velocity of the first channel [km/s], radio definition."""
    field_arcsec: float
    """Side of the field of view [arcsec]."""
    cell_arcsec: float
    """Pixel size [arcsec]."""
    peak_sigma: float
    """Signal-to-noise ratio of the brightest voxel."""


class Start(NamedTuple):
    """Starting values of the mode search, scattered around an estimate."""

    value: float
    """Estimate."""
    scatter: float
    """Standard deviation of the scatter."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an ingredient: name, unit, label, prior and start."""

    name: str
    """Name in [priors] of the galaxy file; ends in the unit."""
    unit: str
    """Unit, empty if dimensionless."""
    label: str
    """Mathematical symbol for plots."""
    meaning: str
    """Short description."""
    prior: Prior | Callable[[DataEstimates], Prior] | None
    """Default prior, or its function of the data; None if given in another table of the galaxy file."""
    start: Callable[[DataEstimates], Start] | None = None
    """Starting values of the mode search; None to draw from the prior."""
    positive: bool = False
    """Whether priors that reach zero are rejected."""
    curve_only: bool = False
    """Whether it affects the visibilities only through the rotation curve."""
    period: float | None = None
    """Period of an angle, in its unit."""


def size_prior(data: DataEstimates) -> Prior:
    """Return the prior of an angular size: from a quarter of a pixel to half the field of view."""
    return LogUniform(low=data.cell_arcsec / 4, high=data.field_arcsec / 2)
