"""Mean light of cells from the light at points, to second order in the side of a cell.

The mean of a smooth F over a square of side h is F + h^2 / 24 (F_xx + F_yy) up to order h^4. With finite differences
in place of derivatives this is a sum over five points with weights 20/24 and 1/24. Applied to lines of sight, the sum
mixes five spectra; the mixture is replaced by a Gaussian of the same flux, mean and variance. A velocity that changes
by g h from neighbour to neighbour thus adds g^2 h^2 / 12, the variance of a top-hat, to that of the line.
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
"""Points of the stencil, as steps from the centre of the cell, and their weights."""
DARK = 1e-18
"""Floor on the weight of the central point, so that velocity and width stay defined where there is no light:
negligible beside any real light, yet large enough that its inverse square does not overflow in single precision."""


@jax.custom_vjp
def cell_means(points: Subcells) -> Subcells:
    """Average light over cells, given the light at their centres and at those of one more cell on every side.

    Args:
        points: flux [per cell], velocity and line width [km/s], each of shape (..., y + 2, x + 2).

    Returns:
        Cell means of the same quantities, each of shape (..., y, x).

    """
    return _forward(points)[0]


def _forward(points: Subcells) -> tuple[Subcells, tuple[Subcells, Subcells, Array]]:
    around = [(share, Subcells(*(_inner(field, *step) for field in points))) for step, share in STENCIL]
    flux = reduce(add, (share * point.flux for share, point in around))
    # Absolute values, so that variances stay non-negative even where an attenuation changes sign.
    weights = [share * abs(point.flux) for share, point in around]
    weights[0] += DARK
    weight = reduce(add, weights)
    # Offsets from the central velocity, because velocities are large compared with line widths.
    own = around[0][1].velocity_kms
    offsets = [point.velocity_kms - own for _, point in around]
    mean = reduce(add, map(mul, weights, offsets)) / weight
    squares = [(offset - mean) ** 2 + point.sigma_kms**2 for offset, (_, point) in zip(offsets, around, strict=True)]
    variance = reduce(add, map(mul, weights, squares))
    means = Subcells(flux, own + mean, jnp.sqrt(variance / weight))
    return means, (points, means, weight)


def _backward(residuals: tuple[Subcells, Subcells, Array], cotangent: Subcells) -> tuple[Subcells]:
    """Sum over the cells that a point belongs to; JAX's own transpose of the slices takes five times as long.

    With w the weights of a cell's points, W their sum, v and s^2 its mean and variance: dv/dw_j = (v_j - v) / W,
    dv/dv_j = w_j / W, ds^2/dw_j = ((v_j - v)^2 + s_j^2 - s^2) / W, ds^2/dv_j = 2 w_j (v_j - v) / W.
    """
    points, means, weight = residuals
    by_mean = cotangent.velocity_kms / weight
    by_variance = cotangent.sigma_kms / (2 * means.sigma_kms * weight)
    fields = (cotangent.flux, by_mean, by_variance, means.velocity_kms, means.sigma_kms)
    beyond = [(0, 0)] * (weight.ndim - 2) + [(2, 2)] * 2  # no gradient from cells outside
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
    """Interior of a field, shifted by one stencil step."""
    ny, nx = field.shape[-2:]
    return field[..., 1 + dy : ny - 1 + dy, 1 + dx : nx - 1 + dx]
