"""Chi-square of gridded cells whose variances are estimated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["CellMisfit", "cell_misfit"]

LEAST_DOF = 4
"""Degrees of freedom above which the chi-square of one cell has a variance."""


class CellMisfit(NamedTuple):
    """Chi-square of cells, each of two data, the real and the imaginary part. Shape (channel, v, u).

    Attributes:
        chi2: 0 in cells that are not used; expectation 2 in the others, of any degrees of freedom.
        variance: of chi2 in a model that is right; 0 in cells that are not used.
        used: cells with data and more than four degrees of freedom.

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
    """Return chi-squares of cells, scaled so that they can be added up whatever their degrees of freedom.

    With a variance estimated from nu degrees of freedom, r^2 / 2 follows an F distribution of 2 and nu: mean
    nu / (nu - 2), variance nu^3 / ((nu - 2)^2 (nu - 4)).

    Args:
        residual_squared: |mean - model|^2 over the estimated variance of the real part.
        dof: degrees of freedom nu of that estimate, positive.
        mask: cells that hold data.

    """
    used = np.asarray(mask, bool) & (dof > LEAST_DOF)
    nu = np.where(used, dof, 2.0 * LEAST_DOF).astype(float)
    chi2 = np.where(used, residual_squared * (nu - 2) / nu, 0.0)
    return CellMisfit(chi2, np.where(used, 4 * nu / (nu - 4), 0.0), used)
