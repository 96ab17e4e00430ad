"""A parameter of an ingredient, and the estimates from data that its prior and its start may rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from steelyard_schemas.priors import LogUniform, Prior

__all__ = ["DataEstimates", "Parameter", "Start", "size_prior"]


class DataEstimates(NamedTuple):
    """Rough values read off the dirty cube of a data set. Angles as in the galaxy file."""

    x0_arcsec: float
    y0_arcsec: float
    pa_deg: float
    vsys_kms: float
    """Radio definition."""
    radius_arcsec: float
    """Flux-weighted mean distance from the centre."""
    rotation_kms: float
    """Rough rotation speed: twice the flux-weighted spread of the velocities, that of a ring seen at 45 degrees."""
    flux_jykms: float
    """Integral over velocity in the galaxy's frame."""
    velocity_min_kms: float
    """Centre of the last channel, radio definition."""
    velocity_max_kms: float
    """Centre of the first channel, radio definition."""
    field_arcsec: float
    cell_arcsec: float
    peak_sigma: float
    """Brightest voxel over the noise."""


class Start(NamedTuple):
    """Where the search for the mode starts: values scattered about an estimate."""

    value: float
    scatter: float


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an ingredient: what a user, a prior and a plot need to know of it."""

    name: str
    """As in [priors] of the galaxy file; ends in the unit."""
    unit: str
    label: str
    """Mathematical symbol for plots."""
    meaning: str
    prior: Prior | Callable[[DataEstimates], Prior] | None
    """Default prior, or how the data give it; None where another table of the galaxy file holds it."""
    start: Callable[[DataEstimates], Start] | None = None
    """Starting values of the search for the mode; drawn from the prior where there are none."""
    positive: bool = False
    """Whether a prior that reaches zero is refused."""
    curve_only: bool = False
    """Whether the visibilities depend on it through the rotation curve alone."""
    period: float | None = None
    """Period of an angle, in its unit."""


def size_prior(data: DataEstimates) -> Prior:
    """Return the prior of a length on the sky: from a quarter of a pixel to half of the field of view."""
    return LogUniform(low=data.cell_arcsec / 4, high=data.field_arcsec / 2)
