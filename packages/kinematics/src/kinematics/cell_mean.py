"""From the light at points to the mean light of the cells around them, to second order in the cells' side.

The mean of a smooth F over a square of side h is F + h^2 / 24 (F_xx + F_yy) up to h^4, and with differences of
neighbours in place of derivatives a sum of five points with weights 20/24 and 1/24. Of lines of sight the same sum
mixes five spectra. What counts of such a mixture is its flux, mean and variance: a Gaussian of these stands for it. A
velocity that changes by g h from neighbour to neighbour thus widens the line by g^2 h^2 / 12, that of a top-hat.
"""

from __future__ import annotations

from jax import Array

from kinematics.line import Subcells

__all__ = ["cell_means"]

NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
SHARE = 1 / 24
DARK = 1e-18
"""Flux of a cell's own point where there is no light, so that its line has a velocity and a width: small beside any
light that counts, and not so small that its inverse square overflows in single precision."""


def cell_means(points: Subcells) -> Subcells:
    """Take the light at the centres of cells, and of one more cell on every side, to the means over the cells.

    Args:
        points: flux [per cell], velocity and line width, each of shape (y + 2, x + 2).

    Returns:
        The same of the cells, each of shape (y, x).

    """
    here = Subcells(*(_shifted(field, 0, 0) for field in points))
    around = [Subcells(*(_shifted(field, *at) for field in points)) for at in NEIGHBOURS]
    share_here = 1 - len(NEIGHBOURS) * SHARE
    flux = share_here * here.flux + SHARE * sum(point.flux for point in around)
    # Without signs, so that a variance is one even where an attenuation passes through zero.
    own = share_here * abs(here.flux) + DARK
    weight = own + SHARE * sum(abs(point.flux) for point in around)
    shares = [SHARE * abs(point.flux) / weight for point in around]
    # Relative to the cell's own, because velocities are large beside line widths.
    offsets = [point.velocity_kms - here.velocity_kms for point in around]
    mean = sum(share * offset for share, offset in zip(shares, offsets, strict=True))
    variance = own / weight * (mean**2 + here.sigma_kms**2)
    for share, offset, point in zip(shares, offsets, around, strict=True):
        variance += share * ((offset - mean) ** 2 + point.sigma_kms**2)
    return Subcells(flux, here.velocity_kms + mean, variance**0.5)


def _shifted(field: Array, dy: int, dx: int) -> Array:
    """A field without its outermost points, moved by a point or none."""
    return field[1 + dy : field.shape[0] - 1 + dy, 1 + dx : field.shape[1] - 1 + dx]
