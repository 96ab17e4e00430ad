"""Departure of a galaxy's surface brightness from its best-fitting Nuker law, and the process that describes it.

ln Sigma = law + delta. The law has a few free parameters, delta is what a flexible fit samples: a Gaussian process in
log radius that multiplies the Gaussians of the law's expansion. Its amplitude is that of largest restricted
likelihood (Patterson & Thompson 1971, Biometrika 58, 545): the likelihood of what the law, linear about its best fit,
cannot follow. A plain rms is smaller, because the law's parameters take up part of every departure. A second process,
of shorter length, stands for the ripple of a published expansion about the profile that it was fitted to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from kinematics import pc_per_arcsec
from nuker_surrogate import NukerParams, Surrogate, load_surrogate
from nuker_surrogate.law.domain import DOMAIN
from nuker_surrogate.law.nuker import log_surface_density
from scipy.optimize import least_squares, minimize, minimize_scalar

EXPANSIONS = Path(__file__).with_name("expansions.toml")
RESOLVED_ARCSEC = 0.1
"""Innermost radius used: two pixels of the Planetary Camera."""
RANGE_PC = (3.0, 500.0)
PER_DEX = 20
"""Radii per decade at which profiles are compared."""
ROUNDING = 0.003
"""White part of the departures: published numbers have three decimals."""
STARTS = 12
HELD = (2.0, 1.0, 3.0)
"""Sharpness, steepening and log10 radius [pc] of a break held beyond the gas, as in the demo of earlier versions."""


class Expansion(NamedTuple):
    """A published expansion."""

    name: str
    distance_mpc: float
    surface: np.ndarray
    """Peak surface brightness of each Gaussian [Lsun pc^-2]."""
    sigma_pc: np.ndarray
    """Dispersion along the major axis [pc]."""
    source: str

    @property
    def radii_pc(self) -> np.ndarray:
        """Radii at which the profile is resolved, evenly spaced in log radius."""
        first = max(RANGE_PC[0], RESOLVED_ARCSEC * pc_per_arcsec(self.distance_mpc))
        low, high = np.log10([first, RANGE_PC[1]])
        return np.logspace(low, high, round(PER_DEX * (high - low)) + 1)

    def log_profile(self, radii_pc: np.ndarray) -> np.ndarray:
        """Return ln Sigma along the major axis."""
        return np.log(np.exp(-0.5 * (radii_pc[:, None] / self.sigma_pc) ** 2) @ self.surface)


def published(path: Path = EXPANSIONS) -> tuple[Expansion, ...]:
    """Read the published expansions."""
    with path.open("rb") as file:
        galaxies = tomllib.load(file)["galaxy"]
    return tuple(
        Expansion(
            one["name"],
            one["distance_mpc"],
            10 ** np.array(one["log10_surface_lsun_pc2"]),
            10 ** np.array(one["log10_sigma_arcsec"]) * pc_per_arcsec(one["distance_mpc"]),
            one["source"],
        )
        for one in galaxies
    )


class Law(NamedTuple):
    """A family of laws: bounds of its parameters, ln Sigma_b first."""

    low: np.ndarray
    high: np.ndarray
    fixed: tuple[float, ...] = ()

    def params(self, theta: np.ndarray) -> NukerParams:
        """Return the shape for (ln Sigma_b, gamma, alpha, beta - gamma, log10 r_b / pc), or the first of them."""
        gamma, alpha, steepening, log10_r_b = (*theta[1:], *self.fixed)
        return NukerParams(alpha, gamma + steepening, gamma, 10**log10_r_b)

    def log_profile(self, theta: np.ndarray, radii_pc: np.ndarray) -> np.ndarray:
        """Return ln Sigma."""
        return theta[0] + log_surface_density(radii_pc, self.params(theta), np)


def _bounds(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    intervals = dict(DOMAIN)
    low, high = ([getattr(intervals[name], end) for name in names] for end in ("low", "high"))
    return np.array([-20.0, *low]), np.array([40.0, *high])


def _free() -> Law:
    low, high = _bounds(("gamma", "alpha", "beta_minus_gamma", "r_b_pc"))
    low[-1], high[-1] = np.log10([low[-1], high[-1]])
    return Law(low, high)


FREE = _free()
BREAK_HELD = Law(*_bounds(("gamma",)), fixed=HELD)


@cache
def _surrogate() -> Surrogate:
    return load_surrogate()


class Process(NamedTuple):
    """Gaussian process in log10 radius with a squared-exponential covariance."""

    amplitude: float
    length_dex: float

    def covariance(self, log10_radius: np.ndarray) -> np.ndarray:
        """Return the covariance between radii, shape (n, n)."""
        separation = (log10_radius[:, None] - log10_radius) / self.length_dex
        return self.amplitude**2 * np.exp(-0.5 * separation**2)


@dataclass(frozen=True, eq=False)
class Departure:
    """Best fit of a law to an expansion, and what is left."""

    expansion: Expansion
    law: Law
    theta: np.ndarray
    """Parameters of the best fit."""

    @cached_property
    def radii_pc(self) -> np.ndarray:
        """Radii of the comparison, shape (n,)."""
        return self.expansion.radii_pc

    @cached_property
    def residual(self) -> np.ndarray:
        """The expansion's ln Sigma less that of the law, shape (n,)."""
        return self.expansion.log_profile(self.radii_pc) - self.law.log_profile(self.theta, self.radii_pc)

    @property
    def rms(self) -> float:
        """Root mean square of the residual."""
        return float(np.sqrt(np.mean(self.residual**2)))

    @cached_property
    def design(self) -> np.ndarray:
        """Derivatives of ln Sigma by the law's parameters that are free at the best fit, shape (n, parameter)."""
        steps = 1e-4 * np.eye(len(self.theta))
        inside = (self.theta - self.law.low > 1e-3) & (self.law.high - self.theta > 1e-3)
        ahead, behind = (
            np.stack(
                [self.law.log_profile(self.theta + sign * step, self.radii_pc) for step in steps[inside]], axis=1
            )
            for sign in (1, -1)
        )
        return (ahead - behind) / 2e-4

    @cached_property
    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Share of each Gaussian of the law's expansion in Sigma, shape (n, gaussian), and log10 of their widths."""
        surrogate = _surrogate()
        sigma_pc = np.asarray(surrogate.manifest.sigma_pc)
        params = NukerParams(*(np.float32(value) for value in self.law.params(self.theta)))
        light = np.asarray(surrogate.coefficients(params), np.float64) * np.exp(
            -0.5 * (self.radii_pc[:, None] / sigma_pc) ** 2
        )
        return light / light.sum(axis=1, keepdims=True), np.log10(sigma_pc)

    def log_likelihood(self, process: Process, ripple: Process) -> float:
        """Return the restricted log-likelihood, up to a constant.

        Args:
            process: process of the Gaussians' logarithms.
            ripple: process of ln Sigma.

        """
        shares, at = self.shares
        covariance = shares @ process.covariance(at) @ shares.T + ripple.covariance(np.log10(self.radii_pc))
        root = np.linalg.cholesky(covariance + ROUNDING**2 * np.eye(len(covariance)))
        design, residual = np.linalg.solve(root, self.design), np.linalg.solve(root, self.residual)
        left = residual - design @ np.linalg.lstsq(design, residual, rcond=None)[0]
        _, log_det = np.linalg.slogdet(design.T @ design)
        return float(-np.log(np.diag(root)).sum() - 0.5 * log_det - 0.5 * left @ left)

    def amplitude(self, length_dex: float, ripple: Process) -> float:
        """Return the amplitude of largest likelihood for a length."""

        def cost(log_amplitude: float) -> float:
            return -self.log_likelihood(Process(np.exp(log_amplitude), length_dex), ripple)

        return float(np.exp(minimize_scalar(cost, bounds=np.log([1e-3, 3.0]), method="bounded").x))


class Common(NamedTuple):
    """Processes that all galaxies share."""

    process: Process
    ripple: Process
    log_likelihood: float


def common(departures: Sequence[Departure], length_dex: float) -> Common:
    """Return the processes of largest joint likelihood, that of the stars with a given length."""

    def processes(theta: np.ndarray) -> tuple[Process, Process]:
        amplitude, *ripple = np.exp(theta)
        return Process(amplitude, length_dex), Process(*ripple)

    def cost(theta: np.ndarray) -> float:
        return -sum(one.log_likelihood(*processes(theta)) for one in departures)

    found = minimize(
        cost, np.log([0.2, 0.05, 0.15]), method="Nelder-Mead", options={"xatol": 0.01, "fatol": 0.02, "maxiter": 200}
    )
    return Common(*processes(found.x), -float(found.fun))


def departure(expansion: Expansion, law: Law, seed: int = 1) -> Departure:
    """Fit a law to an expansion by least squares in ln Sigma, from several starts."""
    radii = expansion.radii_pc
    target = expansion.log_profile(radii)
    rng, best = np.random.default_rng(seed), None
    for _ in range(STARTS):
        start = law.low + (law.high - law.low) * rng.uniform(0.1, 0.9, len(law.low))
        start[0] = np.mean(target)
        fit = least_squares(
            lambda theta: law.log_profile(theta, radii) - target, start, bounds=(law.low, law.high), x_scale="jac"
        )
        best = fit if best is None or fit.cost < best.cost else best
    assert best is not None
    return Departure(expansion, law, best.x)
