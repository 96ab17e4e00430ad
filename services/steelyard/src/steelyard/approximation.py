"""A likelihood that costs microseconds: Gauss-Newton in the rotation curve instead of in the parameters.

Visibilities depend on the mass model only by way of the circular velocity. In the velocities at a few radii, and in
the parameters of geometry and gas, they are nearly linear over the width of a posterior, while the degeneracies of a
black hole with a Nuker law, bent as they are, lie in the cheap step from parameters to velocities, which is kept
exactly. So log L(features) is replaced by its second-order expansion, with the expected curvature of the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sampler import Mode

from steelyard.coordinates import Coordinates
from steelyard.density import CellData, residual_squared
from steelyard.likelihood import LIKELIHOODS
from steelyard.model import GalaxyModel

__all__ = ["Expansion", "Features", "expand"]

N_NODES = 16
SHAPES_THE_CURVE = frozenset(
    {
        "log10_mbh",
        "log10_sigma_b",
        "alpha",
        "gamma",
        "beta_minus_gamma",
        "log10_r_b_pc",
        "q",
        "mass_to_light",
        "log10_gas_mass",
        "distance_mpc",
    }
)
"""Parameters that the visibilities feel through the rotation curve alone."""
N_SAMPLES = 200


class Expansion(NamedTuple):
    """log L = gradient . d - d . curvature . d / 2, d = features - centre; a pytree of arrays, double precision."""

    centre: Array
    gradient: Array
    curvature: Array


class Features:
    """What the visibilities depend on: velocities [km/s] at nodes in radius, then the other sampled parameters."""

    def __init__(self, model: GalaxyModel, coordinates: Coordinates) -> None:
        self._model, self._coordinates = model, coordinates
        grid = model.grid
        # From well within a pixel, where gas only feels the sum of what is further in, to the edge of the field.
        self.nodes_arcsec = np.geomspace(0.25 * grid.cell_arcsec, 0.5 * grid.field_arcsec, N_NODES)
        self.direct = tuple(name for name in coordinates.space.names if name not in SHAPES_THE_CURVE)

    def at(self, parameters: dict[str, Array]) -> Array:
        """Features (n,) of a point in parameter space."""
        single = {name: jnp.asarray(value, jnp.float32) for name, value in parameters.items()}
        velocity = self._model.circular_velocity(single, jnp.asarray(self.nodes_arcsec, jnp.float32))
        direct = [jnp.asarray(parameters[name]) for name in self.direct]
        return jnp.concatenate([velocity.astype(jnp.result_type(float)), jnp.asarray(direct)])

    def visibilities(self, features: Array, origin: dict[str, Array]) -> Array:
        """Visibilities (channel, v, u) of features near those of the parameters `origin`.

        What the nodes' velocities differ by is added to the rotation curve, linear in ln R between nodes and constant
        beyond the first and the last.
        """
        model = self._model
        change = (features - self.at(origin))[:N_NODES]
        between = jnp.interp(
            jnp.log(jnp.asarray(model.radii_arcsec)), jnp.log(jnp.asarray(self.nodes_arcsec)), change
        )
        table = model.velocity_table(origin) + between.astype(jnp.float32)
        direct = dict(zip(self.direct, features[N_NODES:], strict=True))
        return model.visibilities({**origin, **direct}, table)

    def log_density(self, z: Array, expansion: Expansion) -> Array:
        """Approximate log posterior density, up to a constant, of unconstrained coordinates z (dim,)."""
        step = self.at(self._coordinates.parameters(z)) - expansion.centre
        log_likelihood = step @ expansion.gradient - 0.5 * step @ expansion.curvature @ step
        return log_likelihood + self._coordinates.log_prior(z)


def expand(
    features: Features, model: GalaxyModel, coordinates: Coordinates, cells: CellData, mode: Mode
) -> Expansion:
    """Expand the likelihood about the mode.

    Derivatives are central differences over a posterior's width, as the Gaussian at the mode tells it: the slope that
    counts is the one over that width.
    """
    origin = coordinates.parameters(jnp.asarray(mode.position))
    centre = features.at(origin)
    steps = _widths(features, model, coordinates, mode)

    @jax.jit
    def visibilities(features_: Array, origin: dict[str, Array]) -> Array:
        return features.visibilities(features_, origin)

    likelihood = LIKELIHOODS[model.galaxy.likelihood.kind]
    used = np.asarray(cells.inverse_variance) > 0
    model_there = visibilities(centre, origin)
    residual = np.asarray(cells.mean - model_there)[used]
    on_grid = residual_squared(model_there, cells)
    slope, bend = (a[used] for a in _derivatives(likelihood, on_grid, cells.dof))
    squared, inverse_variance = (np.asarray(a, np.float64)[used] for a in (on_grid, cells.inverse_variance))

    jacobian = np.empty((len(steps), residual.size), np.complex64)
    for i, step in enumerate(steps):
        offset = np.zeros(len(steps))
        offset[i] = step
        ahead, behind = (visibilities(centre + sign * offset, origin) for sign in (1.0, -1.0))
        jacobian[i] = np.asarray(ahead - behind)[used] / (2 * step)
    # d log L / d r^2 acts on r^2; its curvature, averaged over the residual's direction in the complex plane, is the
    # observed information of one component: for Student's t (dof + 2) dof / (dof + r^2)^2.
    weight = -2 * slope * inverse_variance
    information = (-2 * slope - 2 * bend * squared) * inverse_variance
    gradient = (jacobian.conj() @ (weight * residual)).real
    curvature = ((jacobian.conj() * information) @ jacobian.T).real
    return Expansion(centre, jnp.asarray(gradient, jnp.float64), jnp.asarray(curvature, jnp.float64))


def _derivatives(
    likelihood: Callable[[Array, Array], Array], squared: Array, dof: Array
) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of the log-likelihood by each cell's r^2, float64."""

    def slope(squared: Array) -> Array:
        return jax.grad(likelihood)(squared, dof)

    first, second = jax.jit(lambda s: jax.jvp(slope, (s,), (jnp.ones_like(s),)))(squared)
    return np.asarray(first, np.float64), np.asarray(second, np.float64)


def _widths(features: Features, model: GalaxyModel, coordinates: Coordinates, mode: Mode) -> np.ndarray:
    """Posterior widths of the features, from the Gaussian at the mode; velocities by at most one channel."""
    rng = np.random.default_rng(0)
    points = mode.position + rng.standard_normal((N_SAMPLES, len(mode.position))) @ mode.factor.T
    at = jax.jit(jax.vmap(lambda z: features.at(coordinates.parameters(z))))
    sample = np.asarray(at(jnp.asarray(points)), np.float64)
    sample = sample[np.all(np.isfinite(sample), axis=1)]
    widths = np.std(sample, axis=0)
    channel = model.grid.channels.width_kms
    widths[:N_NODES] = np.clip(widths[:N_NODES], 0.01 * channel, channel)
    return widths
