"""From network outputs to coefficients: the heads, and the forward pass over plain arrays.

No training library is needed here, so that loading a surrogate stays cheap.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nuker_surrogate.deconvolution import ProfileSampling
from nuker_surrogate.domain import to_box
from nuker_surrogate.law import Array, NukerParams, surface_density

Head = Literal["symexp", "normalised", "corrected"]

INPUTS = ("alpha", "beta_minus_gamma", "gamma", "log10_r_b_pc", "log10_alpha")


class Standardisation(NamedTuple):
    """Mean and scale of the network's inputs, (5,) each, in the order of `INPUTS`."""

    mean: Array
    scale: Array


class Weights(NamedTuple):
    """Everything that turns Nuker parameters into coefficients; a pytree of arrays.

    Attributes:
        standardisation: of the inputs.
        kernels: one (n_in, n_out) array per layer.
        biases: one (n_out,) array per layer.
        sampling: where the law is evaluated, and the scale of the coefficients.
        deconvolution: (n, n_R) linear part of the `corrected` head; zero for the others.
    """

    standardisation: Standardisation
    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    sampling: ProfileSampling
    deconvolution: Array


def network_inputs(params: NukerParams, standardisation: Standardisation) -> Array:
    """(..., 5) standardised inputs. log alpha beside alpha: the law varies fastest where alpha is small."""
    box = to_box(params, jnp)
    columns = jnp.stack(jnp.broadcast_arrays(*box, jnp.log10(jnp.asarray(params.alpha))), axis=-1)
    mean, scale = (jnp.asarray(part, columns.dtype) for part in standardisation)
    return (columns - mean) / scale


def dense(kernels: tuple[Array, ...], biases: tuple[Array, ...], x: Array) -> Array:
    """Multi-layer perceptron with SiLU between its layers."""
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = jax.nn.silu(x @ kernel + bias)
    return x @ kernels[-1] + biases[-1]


def symexp(z: Array) -> Array:
    """Signed exponential ``sgn(z) 1e-12 (10^|z| - 1)`` of Yantovski-Barth et al. (2025, arXiv:2511.20746)."""
    return jnp.sign(z) * 1e-12 * jnp.expm1(np.log(10.0) * jnp.abs(z))


def symlog(c: Array) -> Array:
    """Inverse of `symexp`, in float64 NumPy."""
    return np.sign(c) * np.log1p(np.abs(c) / 1e-12) / np.log(10.0)


def combine(head: Head, raw: Array, scale: Array, linear: Array) -> Array:
    """Coefficients (..., n) for Sigma_b = 1.

    Args:
        head: ``symexp``: the network gives their signed logarithm, as in the paper. ``normalised``: it gives them
            in units of their scale. ``corrected``: it gives, in that unit, what the linear deconvolution misses.
        raw: (..., n) output of the network.
        scale: (..., n) expected size of the coefficients.
        linear: (..., n) the linear deconvolution.
    """
    if head == "symexp":
        return symexp(raw)
    return scale * raw if head == "normalised" else linear + scale * raw


def coefficients(head: Head, weights: Weights, params: NukerParams) -> Array:
    """Coefficients (..., n) of laws anywhere, inside the trained domain or not; see `combine`."""
    dtype = jnp.result_type(float, *(jnp.asarray(leaf).dtype for leaf in params))
    params = NukerParams(*(jnp.asarray(leaf, dtype) for leaf in params))
    kernels, biases, sampling, matrix = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, dtype),
        (weights.kernels, weights.biases, weights.sampling, weights.deconvolution),
    )
    raw = dense(kernels, biases, network_inputs(params, weights.standardisation))
    leaves = NukerParams(*(leaf[..., None] for leaf in params))
    profile = surface_density(sampling.R_pc, leaves)
    return combine(head, raw, profile @ sampling.scale_matrix.T, profile @ matrix.T)
