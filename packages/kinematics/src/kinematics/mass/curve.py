"""Rotation curve, tabulated once per model and interpolated for every line of sight."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = ["RotationCurve", "interpolate", "log_radii"]


class RotationCurve(NamedTuple):
    """Circular velocity on logarithmically spaced radii."""

    radius_min_arcsec: Array
    """First radius [arcsec], shape ()."""
    log_step: Array
    """Spacing in ln R, shape ()."""
    velocity_kms: Array
    """Circular velocity [km/s], shape (n,)."""


def log_radii(radius_min: float, radius_max: float, n: int) -> tuple[np.ndarray, float]:
    """Return n radii from min to max, shape (n,), evenly spaced in ln R, and the spacing in ln R."""
    radii = np.geomspace(radius_min, radius_max, n)
    return radii, float(np.log(radius_max / radius_min) / (n - 1))


def interpolate(curve: RotationCurve, radius_arcsec: Array) -> Array:
    """Interpolate a rotation curve: cubic Hermite in ln R with fourth-order slopes.

    Beyond either end of the table the velocity is constant.

    Args:
        curve: tabulated rotation curve.
        radius_arcsec: radii [arcsec], shape (...,), positive.

    Returns:
        v_c [km/s], shape (...,).

    """
    v = curve.velocity_kms
    n = v.shape[0]
    place = jnp.log(radius_arcsec / curve.radius_min_arcsec) / curve.log_step
    place = jnp.clip(place, 0, n - 1)
    i = jnp.clip(place.astype(jnp.int32), 0, n - 2)
    f = place - i
    slope = _slopes(v)
    # One gather of packed rows is cheaper than four gathers.
    rows = jnp.stack([v[:-1], v[1:], slope[:-1], slope[1:]], axis=-1)[i]
    v0, v1, d0, d1 = (rows[..., k] for k in range(4))
    jump = v1 - v0
    a = d0 - jump
    b = jump - d1
    return v0 + f * (jump + (1 - f) * (a * (1 - f) + b * f))


def _slopes(v: Array) -> Array:
    """Derivative per step: five-point central differences inside, lower order at both ends."""
    inner = (8 * (v[3:-1] - v[1:-3]) - (v[4:] - v[:-4])) / 12
    left = jnp.stack([v[1] - v[0], (v[2] - v[0]) / 2])
    right = jnp.stack([(v[-1] - v[-3]) / 2, v[-1] - v[-2]])
    return jnp.concatenate([left, inner, right])
