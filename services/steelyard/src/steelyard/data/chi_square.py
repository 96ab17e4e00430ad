"""Chi-square of gridded cells whose variances are estimated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["CellMisfit", "cell_misfit"]

LEAST_DOF = 4
"""Degrees of freedom above which the chi-square of one cell has a finite variance."""


class CellMisfit(NamedTuple):
    """Chi-square of cells, each with two data, the real and imaginary part; fields of shape (channel, v, u).

    Attributes:
        chi2: chi-square, 0 in unused cells; expectation 2 in the others for any degrees of freedom.
        variance: variance of chi2 under a correct model, 0 in unused cells.
        used: mask of cells with data and more than four degrees of freedom.

    """

    chi2: np.ndarray
    variance: np.ndarray
    used: np.ndarray

    def reduced(self, axis: int | tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return chi-square per datum summed over axes, and its standard deviation; NaN where no cell is used."""
        n = 2.0 * self.used.sum(axis=axis)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.chi2.sum(axis=axis) / n, np.sqrt(self.variance.sum(axis=axis)) / n


def cell_misfit(residual_squared: np.ndarray, dof: np.ndarray, mask: np.ndarray) -> CellMisfit:
    """Compute chi-squares of cells, scaled so that cells of any degrees of freedom can be added up.

    With a variance estimated from nu degrees of freedom, r^2 / 2 follows an F distribution of 2 and nu: mean
    nu / (nu - 2), variance nu^3 / ((nu - 2)^2 (nu - 4)).

    Args:
        residual_squared: |mean - model|^2 over the estimated variance of the real part, shape (channel, v, u).
        dof: degrees of freedom nu of that estimate, positive, same shape.
        mask: cells containing data, same shape.

    """
    used = np.asarray(mask, bool) & (dof > LEAST_DOF)
    nu = np.where(used, dof, 2.0 * LEAST_DOF).astype(float)
    chi2 = np.where(used, residual_squared * (nu - 2) / nu, 0.0)
    return CellMisfit(chi2, np.where(used, 4 * nu / (nu - 4), 0.0), used)
