"""Heads: from network outputs to coefficients, with the forward pass over plain arrays.

No training library is imported here, so that loading a surrogate stays cheap.
"""

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.law.domain import to_box
from nuker_surrogate.law.nuker import Array, NukerParams

Head = Literal["linear", "corrected", "normalised", "symexp", "direct"]
HEADS: tuple[Head, ...] = get_args(Head)

INPUTS = ("alpha", "beta_minus_gamma", "gamma", "log10_r_b_pc", "log10_alpha")


class Standardisation(NamedTuple):
    """Mean and scale of the network's inputs, (5,) each, in the order of `INPUTS`."""

    mean: Array
    scale: Array


class Weights(NamedTuple):
    """Weights of a surrogate; a pytree of arrays.

    Attributes:
        standardisation: mean and scale of the inputs.
        kernels: one (n_in, n_out) array per layer of the network; none for the `linear` head.
        biases: one (n_out,) array per layer.
        features: radii at which the law is evaluated.
        deconvolution: (n_features, n) matrix of the `linear` and `corrected` heads; zero for the others.
    """

    standardisation: Standardisation
    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]
    features: RadialFeatures
    deconvolution: Array


def network_inputs(params: NukerParams, standardisation: Standardisation) -> Array:
    """Standardised inputs (..., 5) of the network, in the order of `INPUTS`.

    They contain both alpha and log alpha: the law varies fastest where alpha is small.
    """
    box = to_box(params, jnp)
    columns = jnp.stack(jnp.broadcast_arrays(*box, jnp.log10(jnp.asarray(params.alpha))), axis=-1)
    mean, scale = (jnp.asarray(part, columns.dtype) for part in standardisation)
    return (columns - mean) / scale


def dense(kernels: tuple[Array, ...], biases: tuple[Array, ...], x: Array) -> Array:
    """Evaluate a multi-layer perceptron with SiLU between its layers: (..., n_in) to (..., n_out)."""
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
    """Combine network output and linear deconvolution into coefficients (..., n) for Sigma_b = 1.

    Args:
        head: ``linear``: the linear deconvolution, without a network. ``corrected``: the network outputs a correction
            to it, in units of `scale`. ``normalised``: the network outputs the coefficients in units of `scale`.
            ``symexp``: it outputs their signed logarithm, as in the paper. ``direct``: it outputs them unscaled.
        raw: (..., n) output of the network.
        scale: (..., n) expected size of the coefficients.
        linear: (..., n) the linear deconvolution.
    """
    match head:
        case "linear":
            return linear
        case "corrected":
            return linear + scale * raw
        case "normalised":
            return scale * raw
        case "symexp":
            return symexp(raw)
        case "direct":
            return raw


def coefficients(head: Head, weights: Weights, params: NukerParams) -> Array:
    """Coefficients (..., n) for Sigma_b = 1 of laws with (...) leaves, whether inside the trained domain or not."""
    dtype = jnp.result_type(float, *(jnp.asarray(leaf).dtype for leaf in params))
    params = NukerParams(*jnp.broadcast_arrays(*(jnp.asarray(leaf, dtype) for leaf in params)))
    linear = scale = raw = jnp.zeros((), dtype)
    if head in ("linear", "corrected"):
        # By default accelerators round products to 10 or 19 bits, too few where neighbouring coefficients cancel.
        matrix = jnp.asarray(weights.deconvolution, dtype)
        linear = jnp.matmul(weights.features.evaluate(params), matrix, precision=jax.lax.Precision.HIGHEST)
    if head in ("corrected", "normalised"):
        scale = weights.features.scale(params)
    if head != "linear":
        kernels, biases = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (weights.kernels, weights.biases))
        raw = dense(kernels, biases, network_inputs(params, weights.standardisation))
    return combine(head, raw, scale, linear)
