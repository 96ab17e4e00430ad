"""From the light at points to the mean light of the cells around them, to second order in the cells' side.

The mean of a smooth F over a square of side h is F + h^2 / 24 (F_xx + F_yy) up to h^4, and with differences of
neighbours in place of derivatives a sum of five points with weights 20/24 and 1/24. Of lines of sight the same sum
mixes five spectra. What counts of such a mixture is its flux, mean and variance: a Gaussian of these stands for it. A
velocity that changes by g h from neighbour to neighbour thus widens the line by g^2 h^2 / 12, that of a top-hat.
"""

from __future__ import annotations

from functools import reduce
from operator import add, mul

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import optimization_barrier as barrier

from kinematics.render.line import Subcells

__all__ = ["cell_means"]

SHARE = 1 / 24
STENCIL = (((0, 0), 1 - 4 * SHARE), ((0, 1), SHARE), ((0, -1), SHARE), ((1, 0), SHARE), ((-1, 0), SHARE))
"""Points of a cell, as steps from its own, and their weights."""
DARK = 1e-18
"""Flux of a cell's own point where there is no light, so that its line has a velocity and a width: small beside any
light that counts, and not so small that its inverse square overflows in single precision."""


@jax.custom_vjp
def cell_means(points: Subcells) -> Subcells:
    """Take the light at the centres of cells, and of one more cell on every side, to the means over the cells.

    Args:
        points: flux [per cell], velocity and line width, each of shape (..., y + 2, x + 2).

    Returns:
        The same of the cells, each of shape (..., y, x).

    """
    return _forward(points)[0]


def _forward(points: Subcells) -> tuple[Subcells, tuple[Subcells, Subcells, Array]]:
    around = [(share, Subcells(*(_inner(field, *step) for field in points))) for step, share in STENCIL]
    flux = reduce(add, (share * point.flux for share, point in around))
    # Without signs, so that a variance is one even where an attenuation passes through zero.
    weights = [share * abs(point.flux) for share, point in around]
    weights[0] += DARK
    weight = reduce(add, weights)
    # Relative to the cell's own, because velocities are large beside line widths.
    own = around[0][1].velocity_kms
    offsets = [point.velocity_kms - own for _, point in around]
    mean = reduce(add, map(mul, weights, offsets)) / weight
    squares = [(offset - mean) ** 2 + point.sigma_kms**2 for offset, (_, point) in zip(offsets, around, strict=True)]
    variance = reduce(add, map(mul, weights, squares))
    means = Subcells(flux, own + mean, jnp.sqrt(variance / weight))
    return means, (points, means, weight)


def _backward(residuals: tuple[Subcells, Subcells, Array], cotangent: Subcells) -> tuple[Subcells]:
    """Sum over the cells that a point is in; the transpose of slices that JAX would derive takes five times as long.

    With w the weights of a cell's points, W their sum, v and s^2 its mean and variance: dv/dw_j = (v_j - v) / W,
    dv/dv_j = w_j / W, ds^2/dw_j = ((v_j - v)^2 + s_j^2 - s^2) / W, ds^2/dv_j = 2 w_j (v_j - v) / W.
    """
    points, means, weight = residuals
    by_mean = cotangent.velocity_kms / weight
    by_variance = cotangent.sigma_kms / (2 * means.sigma_kms * weight)
    fields = (cotangent.flux, by_mean, by_variance, means.velocity_kms, means.sigma_kms)
    beyond = [(0, 0)] * (weight.ndim - 2) + [(2, 2)] * 2  # cells there pull on nothing
    cells = barrier(tuple(jnp.pad(field, beyond) for field in fields))
    by_flux, by_weight, by_velocity, by_square = (jnp.zeros_like(points.flux) for _ in range(4))
    for (dy, dx), share in STENCIL:
        flux, mean, variance, velocity, sigma = (_inner(field, -dy, -dx) for field in cells)
        offset = points.velocity_kms - velocity
        spread = offset**2 + points.sigma_kms**2 - sigma**2
        by_flux += share * flux
        by_weight += share * (mean * offset + variance * spread)
        by_velocity += share * (mean + 2 * variance * offset)
        by_square += share * variance
    light = abs(points.flux)
    return (
        Subcells(
            flux=by_flux + jnp.sign(points.flux) * by_weight,
            velocity_kms=light * by_velocity,
            sigma_kms=2 * light * points.sigma_kms * by_square,
        ),
    )


cell_means.defvjp(_forward, _backward)


def _inner(field: Array, dy: int, dx: int) -> Array:
    """A field without its outermost points, seen from a step away."""
    ny, nx = field.shape[-2:]
    return field[..., 1 + dy : ny - 1 + dy, 1 + dx : nx - 1 + dx]
