"""Primary beam: power response of a dish away from its pointing centre."""

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
    """Uniformly illuminated annulus that represents a dish."""

    diameter_m: float
    """Outer diameter [m]."""
    blockage_m: float = 0.0
    """Diameter blocked by the secondary mirror [m]."""


# Values adopted by CASA for ALMA's dishes (PBMath, "more appropriate" than the full size; T. Hunter & C. Brogan).
ALMA_APERTURES = {12.0: Aperture(10.7, 0.75), 7.0: Aperture(6.25, 0.75)}


def illuminated_aperture(dish_diameter_m: float) -> Aperture:
    """Return the effective aperture of a dish [m]: reduced for ALMA's tapered 12 m and 7 m dishes, else full."""
    return ALMA_APERTURES.get(float(dish_diameter_m), Aperture(dish_diameter_m))


def primary_beam(
    sky: SkyGrid,
    dish_diameter_m: float,
    frequency_hz: float,
    pattern: Pattern = "gaussian",
    aperture: Aperture | None = None,
) -> np.ndarray:
    """Return the primary beam on an image, centred on the phase centre; shape (npix, npix), peak 1.

    Arguments after `sky` are those of `primary_beam_at`.
    """
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
    """Return the power pattern of a dish at offsets from its pointing centre, 1 on the axis.

    `gaussian`: FWHM = 1.13 lambda / D, D the diameter of the dish (ALMA Technical Handbook).

    `airy`: the squared voltage pattern of a uniformly illuminated annulus of diameters D and d (Born & Wolf 1999,
    section 8.6.2), [J(x) - (d/D)^2 J(x d/D)] / [1 - (d/D)^2], J(x) = 2 J1(x) / x, x = pi D theta / lambda. CASA uses
    this for ALMA, with D = 10.7 m and d = 0.75 m for its 12 m dishes, but evaluates the blocked part at x D/d
    instead of x d/D, which raises its voltage by up to 0.6 % of the peak. CASA also truncates the pattern before the
    first null, at 1.784 deg GHz; here the sidelobes are kept.

    Args:
        x_arcsec: offsets east [arcsec], shape (...,).
        y_arcsec: offsets north [arcsec]; broadcast against `x_arcsec`.
        dish_diameter_m: dish diameter [m].
        frequency_hz: observing frequency [Hz].
        pattern: shape of the beam.
        aperture: illuminated aperture for `airy`; by default that of `illuminated_aperture`.

    Returns:
        Factor between 0 and 1, of the broadcast shape.

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
    """2 J1(x) / x as a function of x^2; 1 on the axis."""
    x = np.sqrt(np.maximum(squared, 1e-12))
    return 2 * j1(x) / x
