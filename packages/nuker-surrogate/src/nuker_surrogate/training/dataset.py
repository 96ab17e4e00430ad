"""Training data of the network: laws from the box, their exact profile and mass, and least-squares labels."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nuker_surrogate.expansion.heads import Head, Standardisation, network_inputs, symlog
from nuker_surrogate.expansion.least_squares import solve_least_squares
from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.expansion.targets import Targets
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import DOMAIN, from_box, limits, sample_box


class Examples(NamedTuple):
    """Laws as float32 device arrays; n laws, n_sigma Gaussians, n_R radii.

    Attributes:
        inputs: (n, 5) standardised inputs.
        labels: (n, n_sigma) least-squares coefficients in the network's training coordinates.
        scale: (n, n_sigma) scale of the coefficients.
        linear: (n, n_sigma) coefficients by linear deconvolution.
        profile: (n, n_R) exact surface density.
        mass_pc2: (n, n_R) exact enclosed mass [pc^2] for Sigma_b = 1.
    """

    inputs: jax.Array
    labels: jax.Array
    scale: jax.Array
    linear: jax.Array
    profile: jax.Array
    mass_pc2: jax.Array


class Problem(NamedTuple):
    """Training problem of the network.

    Attributes:
        examples: laws.
        targets: radii, weights and bases of the loss.
        unwhiten: (n_sigma, n_sigma) matrix from training coordinates to raw outputs.
        offset: (n_sigma,) offset of the raw outputs.
    """

    examples: Examples
    targets: Targets
    unwhiten: Float
    offset: Float


def draw_laws(n: int, rng: np.random.Generator, faces: float) -> Float:
    """Draw (n, 4) box coordinates of training laws.

    A fifth of them has log-uniform alpha: below alpha = 1 the law varies with log alpha.
    """
    box = sample_box(n, rng, faces)
    box[: n // 5, 0] = np.exp(rng.uniform(np.log(DOMAIN.alpha.low), np.log(DOMAIN.alpha.high), n // 5))
    return box


def build_problem(
    head: Head,
    targets: Targets,
    features: RadialFeatures,
    deconvolution: Float,
    n: int,
    seed: int,
    *,
    faces: float,
    label_ridge: float,
) -> Problem:
    """Draw laws, solve for their coefficients, and choose the output coordinates.

    Args:
        head: head to train.
        targets: radii, weights and bases.
        features: radial features of the linear deconvolution.
        deconvolution: (n_features, n_sigma) its matrix.
        n: number of laws.
        seed: random seed of the laws.
        faces: probability of each parameter to lie on a face of the box.
        label_ridge: damping of the labels.
    """
    params = from_box(draw_laws(n, np.random.default_rng(seed), faces))
    scale, linear = features.scale(params, np), features.evaluate(params, np) @ deconvolution
    solution = solve_least_squares(targets, params, scale, label_ridge)
    match head:
        case "symexp":
            raw, metric = symlog(solution.coefficients), np.eye(scale.shape[1])
        case "direct":
            raw, metric = solution.coefficients, np.eye(scale.shape[1])
        case _:
            raw, metric = (solution.coefficients - linear) / scale, solution.mean_normal
    # The corrected head starts from its linear part alone: no offset by the mean label.
    mean = np.zeros(scale.shape[1]) if head == "corrected" else raw.mean(axis=0)
    whiten, unwhiten = _output_coordinates(raw - mean, metric)
    parts = (
        network_inputs(params, input_standardisation()),
        (raw - mean) @ whiten,
        scale,
        linear,
        targets.profile(params),
        targets.mass_pc2(params),
    )
    examples = Examples(*(jnp.asarray(part, jnp.float32) for part in parts))
    return Problem(examples, targets, unwhiten, mean)


def _output_coordinates(raw: Float, metric: Float) -> tuple[Float, Float]:
    """Matrices to and from coordinates in which the mean cost is the squared length, of mean 1."""
    root = np.linalg.cholesky(metric)
    spread = np.sqrt(((raw @ root) ** 2).sum(axis=1).mean())
    return root / spread, np.linalg.inv(root) * spread


def input_standardisation() -> Standardisation:
    """Centre and half-width of the box in each of `INPUTS`."""
    low, high = limits()
    low, high = np.append(low, np.log10(low[0])), np.append(high, np.log10(high[0]))
    return Standardisation((low + high) / 2, (high - low) / 2)
