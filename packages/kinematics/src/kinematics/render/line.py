"""The spectrum of many subcells: Gaussian lines integrated over top-hat channels."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.scipy.special import erf

__all__ = ["Subcells", "channel_flux"]


# Edges that are taken at once on the way back: the sums are then read and written as much less often.
_UNROLL = 4

type Carry = tuple[Array, Array, Array, Array]


class Subcells(NamedTuple):
    """Subcells of a patch of the sky, each field of shape (y, x); velocities are those of the channel edges."""

    flux: Array
    velocity_kms: Array
    sigma_kms: Array


@jax.custom_vjp
def channel_flux(edges_kms: Array, subcells: Subcells) -> Array:
    """Flux of each subcell within each channel.

    A Gaussian line of flux f puts f [erf(z_k) - erf(z_k+1)] / 2 between two edges, z = (edge - v) / (sigma sqrt 2).

    Args:
        edges_kms: channel edges, descending, shape (channel + 1,).
        subcells: fluxes, velocities and line widths.

    Returns:
        Flux in the channel, shape (channel, y, x), in the unit of `subcells.flux`.

    """
    flux, velocity, sigma = _flat(subcells)
    inverse = math.sqrt(0.5) / sigma

    def below(edges: Array) -> Array:
        return erf((edges[:, None] - velocity) * inverse)

    # Each edge is computed twice, which costs less than keeping it: all is one loop that writes the cube once.
    # The barrier: else the loop is over rows again.
    light = barrier(0.5 * flux * (below(edges_kms[:-1]) - below(edges_kms[1:])))
    return light.reshape(-1, *subcells.flux.shape)


def _forward(edges_kms: Array, subcells: Subcells) -> tuple[Array, tuple[Array, Subcells]]:
    return channel_flux(edges_kms, subcells), (edges_kms, subcells)


def _backward(residuals: tuple[Array, Subcells], cotangent: Array) -> tuple[None, Subcells]:
    """Go over the edges again instead of storing (edge, y, x) intermediates.

    An edge is the upper one of its channel and the lower one of the channel before.
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
    """Subcells along one axis: loops over them then end once, and not with every row in the middle of a vector."""
    return Subcells(*(field.reshape(-1) for field in subcells))
