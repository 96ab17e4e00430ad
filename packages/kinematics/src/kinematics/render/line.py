"""Spectra of subcells: Gaussian lines integrated over top-hat channels."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.scipy.special import erf

__all__ = ["Subcells", "channel_flux"]


# Edges per iteration of the backward pass: unrolling reads and writes the sums less often.
_UNROLL = 4

type Carry = tuple[Array, Array, Array, Array]


class Subcells(NamedTuple):
    """Light of the subcells of a patch of sky, each field of shape (y, x)."""

    flux: Array
    """Flux or flux density, in the unit of the caller."""
    velocity_kms: Array
    """Velocity [km/s] on the scale of the channel edges."""
    sigma_kms: Array
    """Line width (standard deviation) [km/s]."""


@jax.custom_vjp
def channel_flux(edges_kms: Array, subcells: Subcells) -> Array:
    """Integrate the line of each subcell over each channel.

    A Gaussian line of flux f contributes f [erf(z_k) - erf(z_k+1)] / 2, z = (edge - v) / (sigma sqrt 2).

    Args:
        edges_kms: channel edges [km/s], descending, shape (channel + 1,).
        subcells: fluxes, velocities and line widths.

    Returns:
        Flux in the channel, shape (channel, y, x), in the unit of `subcells.flux`.

    """
    flux, velocity, sigma = _flat(subcells)
    inverse = math.sqrt(0.5) / sigma

    def below(edges: Array) -> Array:
        return erf((edges[:, None] - velocity) * inverse)

    # Computing each edge twice is cheaper than storing it: everything fuses into one loop that writes the cube once.
    # Without the barrier the loop would run over rows again.
    light = barrier(0.5 * flux * (below(edges_kms[:-1]) - below(edges_kms[1:])))
    return light.reshape(-1, *subcells.flux.shape)


def _forward(edges_kms: Array, subcells: Subcells) -> tuple[Array, tuple[Array, Subcells]]:
    return channel_flux(edges_kms, subcells), (edges_kms, subcells)


def _backward(residuals: tuple[Array, Subcells], cotangent: Array) -> tuple[None, Subcells]:
    """Recompute the edges instead of storing (edge, y, x) intermediates.

    Each edge is the upper edge of its channel and the lower edge of the previous channel.
    """
    edges, subcells = residuals
    shape = subcells.flux.shape
    flux, velocity, sigma = _flat(subcells)
    inverse = math.sqrt(0.5) / sigma

    def add(carry: Carry, at: tuple[Array, Array]) -> tuple[Carry, None]:
        before, by_erf, by_bell, by_moment = carry
        edge, pull = at
        net = pull - before
        z = (edge - velocity) * inverse
        bell = net * jnp.exp(-(z**2))
        return (pull, by_erf + net * erf(z), by_bell + bell, by_moment + bell * z), None

    zeros = jnp.zeros(flux.shape, cotangent.dtype)
    pulls = cotangent.reshape(-1, *flux.shape)
    carry, _ = jax.lax.scan(add, (zeros, zeros, zeros, zeros), (edges[:-1], pulls), unroll=_UNROLL)
    (_, by_erf, by_bell, by_moment), _ = add(carry, (edges[-1], zeros))
    by_z = flux / math.sqrt(math.pi)
    by = Subcells(0.5 * by_erf, -by_z * inverse * by_bell, -by_z / sigma * by_moment)
    return None, Subcells(*(field.reshape(shape) for field in by))


channel_flux.defvjp(_forward, _backward)


def _flat(subcells: Subcells) -> Subcells:
    """Flatten subcells to one axis, so that vectorised loops have one remainder instead of one per row."""
    return Subcells(*(field.reshape(-1) for field in subcells))
