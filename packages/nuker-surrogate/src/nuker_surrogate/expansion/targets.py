"""Targets of the fit: profile and enclosed mass of a law at a set of radii.

Exchanging the two integrals of the deprojection (spherical case) gives one integral over the profile's derivative::

    M(R) = -4 int_0^inf Sigma'(k) F(R, k) dk,     F = int_0^min(R, k) m^2 / sqrt(k^2 - m^2) dm
         = (pi/4) k^2                                      for k <= R
         = [k^2 asin(R/k) - R sqrt(k^2 - R^2)] / 2         for k >  R

F does not depend on the law, so that M at all radii is one fixed matrix times Sigma' at fixed nodes: the masses of a
million laws are one matrix product. The relative error is 1e-10 for alpha up to 10 (tests).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

from nuker_surrogate.expansion.mge import gaussian_masses_pc2, gaussian_profiles
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import NukerParams, surface_density, surface_density_gradient

_NODES = 6  # per panel
_PANEL = 0.2  # in ln k; see deprojection._FINE_WIDTH
_RADII_PER_DECADE = 25
_KERNEL_NODES = 24  # for the integrals of F times a Lagrange polynomial


class Targets(NamedTuple):
    """Radii, their weights, and the linear maps of the loss.

    Attributes:
        R_pc: (n_R,) radii [pc].
        profile_weight: (n_R,) weight of a relative error of the profile at each radius.
        mass_weight: (n_R,) weight of a relative error of the enclosed mass at each radius.
        k_pc: (n_k,) nodes of the mass integral [pc].
        mass_matrix_pc2: (n_R, n_k) matrix that gives the enclosed mass from Sigma'(k_pc).
        profile_basis: (n_R, n) profiles of the Gaussians.
        mass_basis_pc2: (n_R, n) their enclosed masses.
    """

    R_pc: Float
    profile_weight: Float
    mass_weight: Float
    k_pc: Float
    mass_matrix_pc2: Float
    profile_basis: Float
    mass_basis_pc2: Float

    def profile(self, params: NukerParams) -> Float:
        """Surface density (n, n_R) of laws with (n,) leaves, for Sigma_b = 1."""
        return surface_density(self.R_pc, columns(params), xp=np)

    def mass_pc2(self, params: NukerParams) -> Float:
        """Mass [pc^2] (n, n_R) inside spheres of radius R for laws with (n,) leaves and Sigma_b = 1."""
        return surface_density_gradient(self.k_pc, columns(params), xp=np) @ self.mass_matrix_pc2.T

    def design_matrices(self, params: NukerParams) -> Float:
        """Design matrices (n, 2 n_R, n_sigma): weighted relative profile and mass of unit coefficients."""
        profile, mass = self.profile(params), self.mass_pc2(params)
        return np.concatenate(
            [
                self.profile_basis * (self.profile_weight / profile)[:, :, None],
                self.mass_basis_pc2 * (self.mass_weight / mass)[:, :, None],
            ],
            axis=1,
        )

    @property
    def right_hand_side(self) -> Float:
        """Right-hand side (2 n_R,) of the least-squares problem: the product with exact coefficients."""
        return np.concatenate([self.profile_weight, self.mass_weight])


def columns(params: NukerParams) -> NukerParams:
    """Reshape the leaves to columns (..., 1), so that they broadcast against radii; float64."""
    return NukerParams(*(np.asarray(leaf, dtype=np.float64)[..., None] for leaf in params))


def batches(params: NukerParams, size: int = 500) -> Iterator[tuple[slice, NukerParams]]:
    """Iterate over laws with (n,) leaves, `size` at a time: about 100 MB of `design_matrices`."""
    leaves = [np.asarray(leaf) for leaf in params]
    for start in range(0, leaves[0].size, size):
        batch = slice(start, start + size)
        yield batch, NukerParams(*(leaf[batch] for leaf in leaves))


def loss_targets(sigma_pc: Float) -> Targets:
    """Build the targets for Gaussians of widths [pc] (n,): log-uniform radii over their extent, 25 per decade.

    No sum of Gaussians follows a power law to the ends of the grid, and the misfit there must not degrade the fit
    elsewhere. Radii beyond 0.6 of the widest width have a tenth of the weight. Within 4 of the narrowest width the
    profile has almost none: that Gaussian represents all mass further in, and its profile may exceed that of a steep
    cusp a hundredfold. The mass there has slightly more, to keep v_c^2 positive; much more would degrade the fit at
    larger radii.
    """
    n = round(_RADII_PER_DECADE * np.log10(sigma_pc[-1] / sigma_pc[0]))
    R = np.geomspace(sigma_pc[0], sigma_pc[-1], n)
    in_narrowest, in_widest = R / sigma_pc[0], R / sigma_pc[-1]
    zones = [in_narrowest < 4, in_narrowest < 5, in_widest <= 0.6]
    profile_weight = np.select(zones, [0.003, 0.1, 1.0], 0.1)
    mass_weight = np.select(zones, [0.03, 0.1, 1.0], 0.1)
    k, matrix = _mass_matrix(R)
    bases = gaussian_profiles(R, sigma_pc), gaussian_masses_pc2(R, sigma_pc)
    return Targets(R, profile_weight, mass_weight, k, matrix, *bases)


def _mass_matrix(R: Float) -> tuple[Float, Float]:
    """Nodes k [pc] and matrix of M(R), by product integration over panels in ln k that end at every R."""
    log_R = np.log(R)
    edges = _edges(log_R)
    low, high = edges[:-1], edges[1:]
    x, w = leggauss(_NODES)
    u = (high + low)[:, None] / 2 + (high - low)[:, None] / 2 * x
    k = np.exp(u)
    inner = np.pi * k**3 * w * (high - low)[:, None] / 2  # 4 F k, times the weights of du
    to_legendre = np.linalg.inv(legvander(x, _NODES - 1))
    xs, ws = leggauss(_KERNEL_NODES)
    matrix = np.zeros((R.size, *u.shape))
    for row, log_r in zip(matrix, log_R, strict=True):
        left = high <= log_r + 1e-9
        row[left] = inner[left]
        a, b = low[~left], high[~left]
        # F has a square root at k = R: u = ln R + s^2 makes it smooth.
        s_a, s_b = np.sqrt(np.maximum(a - log_r, 0)), np.sqrt(b - log_r)
        s = (s_a + s_b)[:, None] / 2 + (s_b - s_a)[:, None] / 2 * xs
        v = log_r + s**2
        weight = _four_f(np.exp(v), np.exp(log_r - v)) * np.exp(v) * s * (s_b - s_a)[:, None] * ws
        local = (2 * v - (a + b)[:, None]) / (b - a)[:, None]
        row[~left] = np.einsum("ps,psn->pn", weight, legvander(local, _NODES - 1) @ to_legendre)
    return k.ravel(), -matrix.reshape(R.size, -1)


def _four_f(k: Float, y: Float) -> Float:
    """``4 F(R, k)`` for ``y = R/k < 1``, by its series where the closed form loses precision."""
    y = np.minimum(y, 1.0)
    closed = np.arcsin(y) - y * np.sqrt(1 - y**2)
    return 2 * k**2 * np.where(y < 1e-2, y**3 * (2 / 3 + y**2 / 5), closed)


def _edges(log_R: Float) -> Float:
    between = [np.linspace(a, b, int(np.ceil((b - a) / _PANEL)) + 1)[:-1] for a, b in pairwise(log_R)]
    first, last = log_R[0], log_R[-1]
    return np.concatenate(
        [
            np.linspace(first - 46, first - 2, 23)[:-1],  # at alpha = 0.1 the mass of a cusp extends to e^-40
            np.linspace(first - 2, first, 11)[:-1],
            *between,
            np.linspace(last, last + 2.4, 13),
            np.linspace(last + 2.9, last + 24.4, 44),
        ]
    )
