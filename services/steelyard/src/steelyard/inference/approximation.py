"""Fast approximate likelihood: quadratic in the rotation curve instead of in the parameters.

Visibilities depend on the mass model only through the circular velocity, along the line of sight: v sin i. They are
nearly linear, over the width of a posterior, in v sin i at a few radii and in the parameters of geometry and gas. The
curved degeneracies, of a black hole with a Nuker law and of the mass with the inclination of a disc seen nearly
face-on, lie in the cheap step from parameters to these velocities, which stays exact. log L(features) is
therefore replaced by its second-order expansion, first about the mode and, if that proves poor, about the middle of
the resulting draws: on a curved ridge the mode may be far from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from kinematics import redshift
from sampler import Approximation, Mode
from steelyard_schemas.ingredients import PARAMETERS

from steelyard.inference.coordinates import Coordinates
from steelyard.inference.density import CellData, residual_squared
from steelyard.inference.likelihood import LIKELIHOODS

__all__ = ["Expansion", "Features", "about_draws", "about_mode", "approximate_log_density", "approximation_about"]

N_NODES = 16
N_SAMPLES = 200


class Expansion(NamedTuple):
    """Expansion log L = gradient . d - d . curvature . d / 2, d = features - centre; a double-precision pytree."""

    centre: Array
    """Features at the centre of the expansion, shape (n,)."""
    gradient: Array
    """Gradient of log L, shape (n,)."""
    curvature: Array
    """Negative Hessian of log L, shape (n, n)."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Features:
    """Features that determine the visibilities: v sin i [km/s] at nodes in radius, then other parameters."""

    coordinates: Coordinates
    """Coordinates of the sampler, with the model."""
    nodes_arcsec: np.ndarray
    """Radii of the velocities, shape (N_NODES,)."""
    direct: tuple[str, ...] = field(metadata={"static": True})
    """Names of the other parameters."""

    @classmethod
    def of(cls, coordinates: Coordinates) -> Self:
        """Choose the features of a galaxy."""
        grid = coordinates.model.grid
        # From well within a pixel, where only the enclosed mass matters, to the edge of the image.
        nodes_arcsec = np.geomspace(0.2 * grid.sky.cell_arcsec, 0.5 * grid.field_arcsec, N_NODES)
        direct = tuple(name for name in coordinates.space.names if not PARAMETERS[name].curve_only)
        return cls(coordinates, nodes_arcsec, direct)

    def at(self, parameters: dict[str, Array]) -> Array:
        """Compute the features, shape (n,), of a point in parameter space."""
        model = self.coordinates.model
        rounded = {name: jnp.asarray(value, model.dtype) for name, value in parameters.items()}
        velocity = model.circular_velocity(rounded, jnp.asarray(self.nodes_arcsec, model.dtype))
        direct = [jnp.asarray(parameters[name]) for name in self.direct]
        projected = velocity.astype(jnp.result_type(float)) * _sin_inclination(parameters)
        return jnp.concatenate([projected, jnp.asarray(direct)])

    def cell_means(self, features: Array, origin: dict[str, Array]) -> Array:
        """Compute the expected means [Jy], (cell, channel), for features close to those of the parameters `origin`.

        The differences of v sin i at the nodes are added to that of the origin, interpolated linearly in ln R and
        constant beyond the first and last node.
        """
        model = self.coordinates.model
        change = (features - self.at(origin))[:N_NODES]
        between = jnp.interp(
            jnp.log(jnp.asarray(model.radii_arcsec)), jnp.log(jnp.asarray(self.nodes_arcsec)), change
        )
        there = {**origin, **dict(zip(self.direct, features[N_NODES:], strict=True))}
        table = (model.velocity_table(origin) * _sin_inclination(origin) + between) / _sin_inclination(there)
        return model.cell_means(there, table)


def _sin_inclination(parameters: dict[str, Array]) -> Array:
    return jnp.sin(jnp.radians(parameters["inclination_deg"]))


def approximate_log_density(point: Array, features: Features, expansion: Expansion) -> Array:
    """Approximate the log posterior density, up to a constant, at unconstrained coordinates (dim,)."""
    coordinates = features.coordinates
    step = features.at(coordinates.parameters(point)) - expansion.centre
    log_likelihood = step @ expansion.gradient - 0.5 * step @ expansion.curvature @ step
    return log_likelihood + coordinates.log_prior(point)


def approximation_about(
    mode: Mode, features: Features, cells: CellData, keep: Callable[[Expansion], None] = lambda _: None
) -> Approximation:
    """Return the approximation about the mode, which the sampler may refine; `keep` receives each expansion."""
    expansion = about_mode(features, cells, mode)
    keep(expansion)

    def refine(draws: np.ndarray) -> tuple[Features, Expansion]:
        nonlocal expansion
        expansion = about_draws(features, cells, draws, expansion)
        keep(expansion)
        return features, expansion

    return Approximation(approximate_log_density, (features, expansion), refine)


def about_mode(features: Features, cells: CellData, mode: Mode) -> Expansion:
    """Expand the likelihood about the mode, over the width of the Gaussian approximation there."""
    normal = np.random.default_rng(0).standard_normal((N_SAMPLES, len(mode.position)))
    return _expand(features, cells, mode.position, mode.position + normal @ mode.factor.T)


def about_draws(features: Features, cells: CellData, draws: np.ndarray, before: Expansion) -> Expansion:
    """Expand the likelihood about the middle of draws (n, dim) from the previous expansion, over their width.

    The middle is the draw whose features are closest to their mean in the metric of the likelihood.
    """
    some = draws[np.linspace(0, len(draws) - 1, N_SAMPLES).astype(int)]
    there = np.asarray(_features_of(jnp.asarray(some), features), np.float64)
    away = there - np.nanmean(there, axis=0)
    distance = np.einsum("ni,ij,nj->n", away, np.asarray(before.curvature), away)
    return _expand(features, cells, some[np.nanargmin(distance)], some)


def _expand(features: Features, cells: CellData, position: np.ndarray, draws: np.ndarray) -> Expansion:
    """Expand the likelihood about a position (dim,).

    The curvature comes from central differences of the gradient along the principal axes of draws (n, dim), over the
    width of the posterior, which is the relevant scale. It is the observed curvature, because residuals of a poor
    model contribute to it as well. Directions of negative curvature are treated as flat.
    """
    origin = features.coordinates.parameters(jnp.asarray(position))
    centre = features.at(origin)
    axes = _axes(features, draws)

    def along(axis: np.ndarray) -> np.ndarray:
        ahead, behind = (_gradient(centre + sign * axis, features, origin, cells) for sign in (1.0, -1.0))
        return np.asarray(behind - ahead, np.float64) / 2

    whitened = np.stack([axes @ along(axis) for axis in axes])
    values, vectors = np.linalg.eigh(0.5 * (whitened + whitened.T))
    back = np.linalg.solve(axes, vectors)
    curvature = (back * np.maximum(values, 0)) @ back.T
    return Expansion(
        centre, jnp.asarray(_gradient(centre, features, origin, cells), jnp.float64), jnp.asarray(curvature)
    )


@jax.jit
def _gradient(at: Array, features: Features, origin: dict[str, Array], cells: CellData) -> Array:
    """Gradient of the log-likelihood with respect to the features."""
    likelihood = LIKELIHOODS[features.coordinates.model.options.likelihood]

    def log_likelihood(at: Array) -> Array:
        return likelihood(residual_squared(features.cell_means(at, origin), cells), cells.dof)

    return jax.grad(log_likelihood)(at)


@jax.jit
def _features_of(points: Array, features: Features) -> Array:
    return jax.vmap(lambda point: features.at(features.coordinates.parameters(point)))(points)


def _axes(features: Features, draws: np.ndarray) -> np.ndarray:
    """Principal axes of the features of draws (n, dim), one per row, scaled by their widths.

    Velocity widths are limited to one channel, and no axis is shorter than a tenth of the features' own widths,
    because the rotation curve may vary in ways that the draws do not sample.
    """
    sample = np.asarray(_features_of(jnp.asarray(draws), features), np.float64)
    sample = sample[np.all(np.isfinite(sample), axis=1)]
    spread = np.std(sample, axis=0)
    widths = spread.copy()
    channels = features.coordinates.model.grid.channels
    channel = channels.width_kms * (1 + redshift(channels.middle_kms))  # in the galaxy's frame, as velocities are
    widths[:N_NODES] = np.clip(spread[:N_NODES], 0.01 * channel, channel)
    correlation = np.cov(((sample - sample.mean(axis=0)) / np.maximum(spread, 1e-12)).T)
    values, vectors = np.linalg.eigh(correlation + 0.01 * np.eye(len(widths)))
    return (widths[:, None] * vectors * np.sqrt(values)).T
