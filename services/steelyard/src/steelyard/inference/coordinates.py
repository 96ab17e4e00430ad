"""Coordinates of the sampler, and their map to a galaxy's parameters.

A coordinate is the normal score of a parameter under its prior: z ~ N(0, 1). Three parameters of a Nuker law have
other coordinates, because the gas probes the stellar potential at its own radii, not at a break radius that may lie
anywhere:

- in place of log10_sigma_b, log10 of M sin^2 i, where M = v^2 R / G is the stellar mass that the circular velocity at
  a pivot radius implies: the gas shows v sin i;
- in place of gamma, the logarithmic slope at the pivot, gamma + (beta - gamma) x^alpha / (1 + x^alpha), which a step
  in alpha, beta - gamma or r_b leaves unchanged. The data may constrain it to a hundredth while gamma is free;

- in place of the score of beta - gamma, that score plus the logarithm of w (1 - w), w = x^alpha / (1 + x^alpha), to
  which the curvature of the profile at the pivot is proportional.

All are shifts by functions of the other parameters, with a Jacobian of one. Where mass or slope would exceed the
bounds of log10_sigma_b or gamma, a `SoftInterval` compresses them, and its Jacobian is included. The posterior is
exactly that of the declared priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats import norm
from kinematics import G_PC_KMS2_MSUN, pc_per_arcsec
from sampler import ParameterSpace
from steelyard_schemas.ingredients import DataEstimates

from steelyard.galaxy.model import GalaxyModel
from steelyard.inference.soft_interval import OpenRange, SoftInterval

__all__ = ["Coordinates", "sampled_at", "sampled_parameters"]

MASS, SLOPE, BREAK = "log10_sigma_b", "gamma", "beta_minus_gamma"
MIDDLE_SLOPE = 1.0
"""Slope at which its coordinate is zero: the projected slope of an isothermal sphere."""
EDGE = 0.05
"""Distance from the bounds of gamma or log10_sigma_b at which compression sets in."""
BATCH = 256
"""Draws converted to parameters together."""
FAR = 0.05
"""Value of w (1 - w) below which the break is too far from the pivot to matter and its shift fades out."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Coordinates:
    """Unconstrained coordinates, shape (dim,), one per sampled parameter in the order of the space.

    They are a pytree that includes the model: compiled code serves all galaxies with the same shapes and options.
    """

    space: ParameterSpace
    """Priors of the parameters."""
    model: GalaxyModel
    """The galaxy model."""
    pivot_arcsec: float
    """Pivot radius, where the gas probes the potential."""
    middle_mass: float
    """Log10 of M sin^2 i [Msun] at which its coordinate is zero."""
    intervals: dict[str, SoftInterval | OpenRange]
    """Ranges of slope and mass, where these are sampled."""

    @classmethod
    def of(cls, space: ParameterSpace, model: GalaxyModel, estimates: DataEstimates, distance_mpc: float) -> Self:
        """Build the coordinates from estimates from the data and the distance in the galaxy file."""
        intervals = {
            name: SoftInterval(*prior.support, EDGE) if prior.is_bounded else OpenRange()
            for name, prior in space.priors.items()
            if name in (SLOPE, MASS)
        }
        # From the rotation along the line of sight; only the starting point depends on it.
        pivot_pc = estimates.radius_arcsec * pc_per_arcsec(distance_mpc)
        middle_mass = math.log10(estimates.rotation_kms**2 * pivot_pc / G_PC_KMS2_MSUN)
        return cls(space, model, estimates.radius_arcsec, middle_mass, intervals)

    def _column(self, name: str) -> int | None:
        names = self.space.names
        return names.index(name) if name in names else None

    def with_model(self, model: GalaxyModel) -> Self:
        """Return a copy with another model of the galaxy."""
        return replace(self, model=model)

    @property
    def _mass(self) -> int | None:
        return self._column(MASS)

    @property
    def _slope(self) -> int | None:
        return self._column(SLOPE)

    @property
    def _break(self) -> int | None:
        return self._column(BREAK)

    def parameters(self, point: Array) -> dict[str, Array]:
        """Convert one point (dim,) to all parameters of the model, including fixed ones."""
        return self._bent(point)[0]

    def _bent(self, point: Array) -> tuple[dict[str, Array], Array]:
        """All parameters, and the log Jacobian of the soft intervals."""
        values, stretch = self.space.constrain(self._scores(point)), jnp.zeros(())
        if self._slope is not None:
            slope, interval = MIDDLE_SLOPE + point[self._slope] - self._bend(values), self.intervals[SLOPE]
            values, stretch = {**values, SLOPE: interval.forward(slope)}, stretch + interval.log_slope(slope)
        if self._mass is not None:
            mass = self.middle_mass + point[self._mass] - self._log10_unit_projected_mass(values)
            interval = self.intervals[MASS]
            values, stretch = {**values, MASS: interval.forward(mass)}, stretch + interval.log_slope(mass)
        return values, stretch

    def sampled(self, point: Array) -> Array:
        """Convert one point to the sampled parameters, (dim,), in the order of the space."""
        values = self.parameters(point)
        return jnp.stack([values[name] for name in self.space.names])

    def log_prior(self, point: Array) -> Array:
        """Return the log density of the declared priors at a point, up to a constant."""
        values, stretch = self._bent(point)
        total = self.space.log_prior(self._scores(point)) + stretch
        for name, column in ((SLOPE, self._slope), (MASS, self._mass)):
            if column is not None:
                total += self.space.priors[name].log_prob(values[name]) - norm.logpdf(point[column])
        return total

    def from_scores(self, scores: Array) -> Array:
        """Convert prior scores (dim,) to a point; the score of log10_sigma_b becomes tenths of a dex in mass."""
        point = jnp.asarray(scores)
        values = self.space.constrain(point)
        if self._break is not None:
            point = point.at[self._break].add(self._log_curvature(values))
        if self._slope is not None:
            point = point.at[self._slope].set(
                self.intervals[SLOPE].inverse(values[SLOPE]) + self._bend(values) - MIDDLE_SLOPE
            )
        if self._mass is not None:
            point = point.at[self._mass].multiply(0.1)
        return point

    def _scores(self, point: Array) -> Array:
        """Prior scores at a point; the columns of slope and mass are unchanged."""
        if self._break is None:
            return point
        return point.at[self._break].add(-self._log_curvature(self.space.constrain(point)))

    def _log_curvature(self, values: dict[str, Array]) -> Array:
        """Logarithm of w (1 - w) over its maximum, faded out where small; depends on alpha and r_b only."""
        inside = self._inside_break(values)
        return jnp.log((inside * (1 - inside) + FAR) / (0.25 + FAR))

    def _inside_break(self, values: dict[str, Array]) -> Array:
        """Fraction w = x^alpha / (1 + x^alpha), x = pivot / r_b, of the break inside the pivot."""
        pivot_pc = self.pivot_arcsec * pc_per_arcsec(values["distance_mpc"])
        log_x = jnp.log(pivot_pc) - values["log10_r_b_pc"] * math.log(10)
        return jax.nn.sigmoid(values["alpha"] * log_x)

    def _bend(self, values: dict[str, Array]) -> Array:
        """Contribution of the break to the slope at the pivot."""
        return values["beta_minus_gamma"] * self._inside_break(values)

    def _log10_unit_projected_mass(self, values: dict[str, Array]) -> Array:
        """Logarithm (base 10) of (v sin i)^2 R / G [Msun] at the pivot for Sigma_b = 1 Msun / pc^2."""
        dtype = self.model.dtype
        unit = {name: jnp.asarray(value, dtype) for name, value in values.items()} | {MASS: jnp.zeros((), dtype)}
        speed = self.model.circular_velocity(unit, jnp.asarray(self.pivot_arcsec, dtype), component="stars")
        projected = speed * jnp.sin(jnp.radians(values["inclination_deg"]))
        pivot_pc = self.pivot_arcsec * pc_per_arcsec(values["distance_mpc"])
        return jnp.asarray(jnp.log10(projected**2 * pivot_pc / G_PC_KMS2_MSUN), jnp.result_type(float))


def sampled_parameters(coordinates: Coordinates, draws: np.ndarray) -> np.ndarray:
    """Convert points (..., dim) to sampled parameters of the same shape, in equal batches that share a program."""
    flat = draws.reshape(-1, draws.shape[-1])
    padded = np.resize(flat, (-(-len(flat) // BATCH) * BATCH, flat.shape[1])).reshape(-1, BATCH, flat.shape[1])
    found = [np.asarray(_sampled_batch(coordinates, batch), np.float64) for batch in padded]
    return np.concatenate(found)[: len(flat)].reshape(draws.shape)


@jax.jit
def _sampled_batch(coordinates: Coordinates, points: Array) -> Array:
    return jax.vmap(coordinates.sampled)(points)


def sampled_at(point: Array, coordinates: Coordinates) -> Array:
    """Call `Coordinates.sampled` at a point (dim,), as one function for all galaxies."""
    return coordinates.sampled(point)
