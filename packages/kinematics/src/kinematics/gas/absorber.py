"""Absorption against a nuclear continuum source: gas of given optical depth in front of a point source.

The data are continuum-subtracted, so the absorption appears as a negative line:
S(v) = -S_c [1 - exp(-tau(v))], tau(v) = tau_0 exp(-(v - v_0)^2 / 2 sigma^2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf
from jax.typing import ArrayLike

from kinematics.doppler import band_shift
from kinematics.grids import VelocityGrid

__all__ = ["Absorber", "absorbed_flux"]

MAX_TAU = 20.0
"""Largest peak optical depth for which the series of `absorbed_flux` holds in double precision."""
N_TERMS = 80


class Absorber(NamedTuple):
    """Absorbing gas in front of a nucleus; all fields are scalars."""

    continuum_jy: ArrayLike
    """Continuum flux density of the nucleus [Jy] before subtraction."""
    tau: ArrayLike
    """Peak optical depth, up to `MAX_TAU`."""
    velocity_kms: ArrayLike
    """Line-of-sight velocity in the galaxy's frame [km/s]."""
    sigma_kms: ArrayLike
    """Velocity dispersion in the galaxy's frame [km/s]."""


def absorbed_flux(absorber: Absorber, vsys_kms: ArrayLike, channels: VelocityGrid) -> Array:
    """Compute the flux density of an absorber in each channel.

    The mean over a channel is exact: 1 - exp(-tau) is expanded in a power series, whose terms are Gaussians in
    velocity of width sigma / sqrt(k). The sums need double precision.

    Args:
        absorber: absorbing gas.
        vsys_kms: systemic velocity [km/s], radio definition.
        channels: velocity channels of the band.

    Returns:
        Flux density [Jy], negative, shape (channel,).

    """
    shift = band_shift(vsys_kms, channels)
    edges = jnp.asarray(channels.edges_about_middle_kms)
    k = jnp.arange(1, N_TERMS + 1)
    factorials = jnp.asarray([math.lgamma(n + 1) for n in range(1, N_TERMS + 1)])
    sign = jnp.where(k % 2 == 1, 1.0, -1.0)
    strength = sign * jnp.exp(k * jnp.log(jnp.asarray(absorber.tau)) - factorials)
    sigma = jnp.asarray(absorber.sigma_kms) * shift.stretch / jnp.sqrt(k)
    centre = shift.offset_kms + shift.stretch * absorber.velocity_kms
    # Integral of exp(-(w - w0)^2 / 2 sigma^2) up to each edge, (edge, term).
    below = sigma * math.sqrt(math.pi / 2) * erf((edges[:, None] - centre) / (sigma * math.sqrt(2)))
    absorbed = (below[:-1] - below[1:]) @ strength / -jnp.diff(edges)
    return -jnp.asarray(absorber.continuum_jy) * absorbed
