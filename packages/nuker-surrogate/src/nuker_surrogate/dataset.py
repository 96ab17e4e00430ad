"""What the network is trained on: laws from the box, their exact profile and mass, and least-squares labels."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nuker_surrogate.deconvolution import ProfileSampling, fit_deconvolution, profile_sampling
from nuker_surrogate.deprojection import Float
from nuker_surrogate.domain import DOMAIN, from_box, limits, sample_box
from nuker_surrogate.floor import solve_floor
from nuker_surrogate.heads import Head, Standardisation, network_inputs, symlog
from nuker_surrogate.mge import sigma_grid_pc
from nuker_surrogate.targets import Targets, loss_targets


class Examples(NamedTuple):
    """Laws as float32 device arrays; n laws, n_sigma Gaussians, n_R radii.

    Attributes:
        inputs: (n, 5) standardised inputs.
        labels: (n, n_sigma) least-squares coefficients in the network's training coordinates.
        scale: (n, n_sigma) scale of the coefficients.
        linear: (n, n_sigma) linear deconvolution.
        profile: (n, n_R) exact surface density.
        mass_pc2: (n, n_R) exact enclosed mass.
    """

    inputs: jax.Array
    labels: jax.Array
    scale: jax.Array
    linear: jax.Array
    profile: jax.Array
    mass_pc2: jax.Array


class Problem(NamedTuple):
    """A training problem: examples and the fixed linear maps around the network."""

    examples: Examples
    targets: Targets
    sigma_pc: Float
    standardisation: Standardisation
    sampling: ProfileSampling
    deconvolution: Float
    unwhiten: Float
    offset: Float


def build_problem(head: Head, n: int, seed: int, *, faces: float, label_ridge: float, linear_ridge: float) -> Problem:
    """Draw laws, solve for their coefficients, fit the linear part and the output coordinates.

    A fifth of the laws has log-uniform alpha: below alpha = 1 the law varies with its logarithm.
    """
    rng = np.random.default_rng(seed)
    sigma = sigma_grid_pc()
    targets, sampling = loss_targets(sigma), profile_sampling(sigma)
    box = sample_box(n, rng, faces)
    box[: n // 5, 0] = np.exp(rng.uniform(np.log(DOMAIN.alpha.low), np.log(DOMAIN.alpha.high), n // 5))
    params = from_box(box)
    values = sampling.profile(params)
    scale = values @ sampling.scale_matrix.T
    solution = solve_floor(targets, params, scale, label_ridge)
    if head == "corrected":
        matrix = fit_deconvolution(values, scale, solution.coefficients, linear_ridge)
    else:
        matrix = np.zeros((sigma.size, sampling.R_pc.size))
    linear = values @ matrix.T
    if head == "symexp":
        raw, metric = symlog(solution.coefficients), np.eye(sigma.size)
    else:
        raw, metric = (solution.coefficients - linear) / scale, solution.mean_normal
    whiten, unwhiten, offset = _output_coordinates(raw, metric)
    standardisation = _standardisation()
    parts = (
        network_inputs(params, standardisation),
        (raw - offset) @ whiten,
        scale,
        linear,
        targets.profile(params),
        targets.mass_pc2(params),
    )
    examples = Examples(*(jnp.asarray(part, jnp.float32) for part in parts))
    return Problem(examples, targets, sigma, standardisation, sampling, matrix, unwhiten, offset)


def _output_coordinates(raw: Float, metric: Float) -> tuple[Float, Float, Float]:
    """Coordinates of mean 0 and mean squared length 1 in which the mean cost is the squared length."""
    offset = raw.mean(axis=0)
    root = np.linalg.cholesky(metric)
    spread = np.sqrt((((raw - offset) @ root) ** 2).sum(axis=1).mean())
    return root / spread, np.linalg.inv(root) * spread, offset


def _standardisation() -> Standardisation:
    low, high = limits()
    low, high = np.append(low, np.log10(low[0])), np.append(high, np.log10(high[0]))
    return Standardisation((low + high) / 2, (high - low) / 2)
