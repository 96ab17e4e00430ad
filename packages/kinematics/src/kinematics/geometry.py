"""Where a disc lies on the sky and how fast it moves there."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = ["Geometry", "disc_coordinates"]


class Geometry(NamedTuple):
    """Orientation and centre of a disc."""

    inclination_rad: ArrayLike
    """0 is face-on."""
    pa_rad: ArrayLike
    """Position angle, north through east to the receding half of the major axis."""
    x0_arcsec: ArrayLike
    """Centre east of the phase centre."""
    y0_arcsec: ArrayLike
    """Centre north of the phase centre."""
    vsys_kms: ArrayLike
    """Systemic velocity, radio definition."""


def disc_coordinates(geometry: Geometry, x_arcsec: ArrayLike, y_arcsec: ArrayLike) -> tuple[Array, Array]:
    """Deproject sky positions (x east, y north) into the plane of the disc.

    Returns:
        Coordinates along the receding major axis and along the minor axis [arcsec], deprojected; shape of `x`.

    """
    dx = jnp.asarray(x_arcsec) - geometry.x0_arcsec
    dy = jnp.asarray(y_arcsec) - geometry.y0_arcsec
    sin_pa, cos_pa = jnp.sin(geometry.pa_rad), jnp.cos(geometry.pa_rad)
    major = dx * sin_pa + dy * cos_pa
    minor = (dy * sin_pa - dx * cos_pa) / jnp.cos(geometry.inclination_rad)
    return major, minor
