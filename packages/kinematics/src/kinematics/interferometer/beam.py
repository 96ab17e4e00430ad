"""The primary beam: how much of a source's power a dish receives from off its axis."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import j1

from kinematics.constants import ARCSEC_RAD, C_KMS
from kinematics.grids import SkyGrid

__all__ = ["Aperture", "Pattern", "illuminated_aperture", "primary_beam", "primary_beam_at"]

type Pattern = Literal["gaussian", "airy"]


class Aperture(NamedTuple):
    """The part of a dish that is evenly illuminated: an annulus."""

    diameter_m: float
    blockage_m: float = 0.0
    """Diameter of the shadow of the secondary mirror."""


# What CASA takes for ALMA's dishes (PBMath, "more appropriate" than the dishes' full size; T. Hunter & C. Brogan).
ALMA_APERTURES = {12.0: Aperture(10.7, 0.75), 7.0: Aperture(6.25, 0.75)}


def illuminated_aperture(dish_diameter_m: float) -> Aperture:
    """Return the aperture that stands for a dish: ALMA's of 12 m and 7 m are tapered, any other counts whole."""
    return ALMA_APERTURES.get(float(dish_diameter_m), Aperture(dish_diameter_m))


def primary_beam(
    sky: SkyGrid,
    dish_diameter_m: float,
    frequency_hz: float,
    pattern: Pattern = "gaussian",
    aperture: Aperture | None = None,
) -> np.ndarray:
    """Primary beam centred on the phase centre, on an image; shape (npix, npix), peak 1. See `primary_beam_at`."""
    x = sky.centres_arcsec
    return primary_beam_at(x[None, :], x[:, None], dish_diameter_m, frequency_hz, pattern, aperture)


def primary_beam_at(
    x_arcsec: ArrayLike,
    y_arcsec: ArrayLike,
    dish_diameter_m: float,
    frequency_hz: float,
    pattern: Pattern = "gaussian",
    aperture: Aperture | None = None,
) -> np.ndarray:
    """Power pattern of a dish at offsets from its pointing centre, 1 on the axis.

    `gaussian`: FWHM = 1.13 lambda / D, D the diameter of the dish (ALMA Technical Handbook).

    `airy`: the square of the voltage pattern of an evenly lit annulus of diameters D and d (Born & Wolf 1999, section
    8.6.2), [J(x) - (d/D)^2 J(x d/D)] / [1 - (d/D)^2], J(x) = 2 J1(x) / x, x = pi D theta / lambda. CASA takes this
    for ALMA, with D = 10.7 m and d = 0.75 m for its 12 m dishes, but evaluates the blocked part at x D/d in place of
    x d/D: its voltage is up to 0.6 % of the peak above this one. It also cuts the pattern before the first null, at
    1.784 deg GHz; here the sidelobes go on.

    Args:
        x_arcsec: offsets to the east.
        y_arcsec: offsets to the north; broadcast against `x_arcsec`.
        dish_diameter_m: of the dish.
        frequency_hz: of the observation.
        pattern: shape of the beam.
        aperture: for `airy`: what is illuminated; by default that of `illuminated_aperture`.

    Returns:
        Factor between 0 and 1, of the shape to which the offsets broadcast.

    """
    squared_arcsec2 = np.asarray(x_arcsec, float) ** 2 + np.asarray(y_arcsec, float) ** 2
    wavelength_m = C_KMS * 1e3 / frequency_hz
    if pattern == "gaussian":
        fwhm_arcsec = 1.13 * wavelength_m / dish_diameter_m / ARCSEC_RAD
        return np.exp(-4 * math.log(2) * squared_arcsec2 / fwhm_arcsec**2)
    outer, blocked = illuminated_aperture(dish_diameter_m) if aperture is None else aperture
    per_arcsec = math.pi * ARCSEC_RAD * outer / wavelength_m
    squared = squared_arcsec2 * per_arcsec**2
    share = (blocked / outer) ** 2
    voltage = _airy(squared)
    if blocked > 0:
        voltage = (voltage - share * _airy(squared * share)) / (1 - share)
    return voltage**2


def _airy(squared: np.ndarray) -> np.ndarray:
    """2 J1(x) / x of x^2; its limit 1 on the axis."""
    x = np.sqrt(np.maximum(squared, 1e-12))
    return 2 * j1(x) / x
