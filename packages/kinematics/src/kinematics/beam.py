"""The primary beam: how much of a source's power a dish receives from off its axis."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from kinematics.constants import ARCSEC_RAD, C_KMS
from kinematics.grids import SkyGrid

__all__ = ["Aperture", "Pattern", "illuminated_aperture", "primary_beam", "primary_beam_at"]

type Pattern = Literal["gaussian", "airy"]

# 2 J1(x) / x to 1e-12: by quadrature within, by its asymptotic series beyond.
NEAR = 12.0
N_QUADRATURE = 17
N_ASYMPTOTIC = 7


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
    return _power(np, x[None, :], x[:, None], dish_diameter_m, frequency_hz, pattern, aperture)


def primary_beam_at(
    x_arcsec: ArrayLike,
    y_arcsec: ArrayLike,
    dish_diameter_m: float,
    frequency_hz: float,
    pattern: Pattern = "gaussian",
    aperture: Aperture | None = None,
) -> Array:
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
        pattern: shape of the beam (static).
        aperture: for `airy`: what is illuminated; by default that of `illuminated_aperture`.

    Returns:
        Factor between 0 and 1, of the shape to which the offsets broadcast.

    """
    x, y = jnp.asarray(x_arcsec), jnp.asarray(y_arcsec)
    return _power(jnp, x, y, dish_diameter_m, frequency_hz, pattern, aperture)


def _power(
    xp: ModuleType, x: Any, y: Any, dish_m: float, frequency_hz: float, pattern: Pattern, aperture: Aperture | None
) -> Any:
    """Power pattern in NumPy (static images, double precision) or JAX (offsets that depend on parameters)."""
    wavelength_m = C_KMS * 1e3 / frequency_hz
    if pattern == "gaussian":
        fwhm_arcsec = 1.13 * wavelength_m / dish_m / ARCSEC_RAD
        return xp.exp(-4 * math.log(2) * (x**2 + y**2) / fwhm_arcsec**2)
    outer, blocked = illuminated_aperture(dish_m) if aperture is None else aperture
    per_arcsec = math.pi * ARCSEC_RAD * outer / wavelength_m
    # In the square of the angle the pattern is smooth on the axis, and so are its gradients.
    squared = (x**2 + y**2) * per_arcsec**2
    share = (blocked / outer) ** 2
    voltage = _airy(xp, squared)
    if blocked > 0:
        voltage = (voltage - share * _airy(xp, squared * share)) / (1 - share)
    return voltage**2


def _airy(xp: ModuleType, squared: Any) -> Any:
    """2 J1(x) / x of x^2.

    Within NEAR: 2 J1(x) / x = (2 / pi) int cos(x t) sqrt(1 - t^2) dt from -1 to 1 (DLMF 10.9.4), by Gauss-Chebyshev
    quadrature, whose error is that of J_2n(x). Beyond: DLMF 10.17.3.
    """
    near = xp.sqrt(xp.clip(squared, 1e-12, NEAR**2))
    voltage = xp.zeros_like(near)
    angle = np.arange(1, N_QUADRATURE + 1) * math.pi / (N_QUADRATURE + 1)
    for node, weight in zip(np.cos(angle).tolist(), (np.sin(angle) ** 2).tolist(), strict=True):
        if node >= -1e-12:
            twice = 2.0 if node > 1e-12 else 1.0
            voltage = voltage + twice * 2 / (N_QUADRATURE + 1) * weight * xp.cos(near * node)
    far = xp.sqrt(xp.maximum(squared, NEAR**2))
    even, odd = _hankel(far)
    phase = far - 0.75 * math.pi
    amplitude = 2 * math.sqrt(2 / math.pi) / (far * xp.sqrt(far))
    return xp.where(squared < NEAR**2, voltage, amplitude * (even * xp.cos(phase) - odd * xp.sin(phase)))


def _hankel(x: Any) -> tuple[Any, Any]:
    """Amplitudes of cosine and sine in J1 at large x: sums of (-1)^k a_2k / x^2k and (-1)^k a_2k+1 / x^(2k+1)."""
    order = np.arange(1, 2 * N_ASYMPTOTIC)
    a = np.cumprod(np.r_[1.0, (4 - (2.0 * order - 1) ** 2) / (8 * order)])
    even, odd = 0.0, 0.0
    for k in range(N_ASYMPTOTIC - 1, -1, -1):
        even = a[2 * k].item() - even / x**2
        odd = a[2 * k + 1].item() - odd / x**2
    return even, odd / x
