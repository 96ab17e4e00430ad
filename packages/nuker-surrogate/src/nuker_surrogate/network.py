"""The trainable network: a multi-layer perceptron whose outputs live in the metric of the loss."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from steelyard_schemas.weights import MOST_WEIGHTS_BYTES

from nuker_surrogate.deprojection import Float


def check_widths(widths: tuple[int, ...]) -> None:
    """Refuse a network of more weights than a file of weights may hold, before any of them is allocated.

    Args:
        widths: of inputs, hidden layers and outputs.

    Raises:
        ValueError: there are more.
    """
    n_weights = sum((a + 1) * b for a, b in pairwise(widths))
    most = MOST_WEIGHTS_BYTES // np.dtype(np.float32).itemsize
    if n_weights > most:
        raise ValueError(f"layers of {widths} have more weights than the {most:,} of a file: make them narrower")


class CoefficientNetwork(nnx.Module):
    """Perceptron with SiLU, then a fixed affine map from training coordinates to raw head outputs.

    The map undoes the whitening of the outputs: coordinates in which a unit error costs the same in every
    direction are learnt orders of magnitude faster than the coefficients themselves.
    """

    def __init__(self, n_in: int, hidden: tuple[int, ...], unwhiten: Float, offset: Float, *, rngs: nnx.Rngs) -> None:
        widths = (n_in, *hidden, offset.size)
        *inner, last = pairwise(widths)
        # Zero: training starts from the mean label, and the corrected head from its linear part alone.
        zero = nnx.initializers.zeros_init()
        self.layers = nnx.List(
            [nnx.Linear(a, b, rngs=rngs) for a, b in inner] + [nnx.Linear(*last, kernel_init=zero, rngs=rngs)]
        )
        self.unwhiten = nnx.Variable(jnp.asarray(unwhiten, jnp.float32))
        self.offset = nnx.Variable(jnp.asarray(offset, jnp.float32))

    def whitened(self, x: jax.Array) -> jax.Array:
        """(..., n) outputs in training coordinates."""
        for layer in self.layers[:-1]:
            x = nnx.silu(layer(x))
        return self.layers[-1](x)

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., n) raw outputs for `heads.combine`."""
        return self.whitened(x) @ self.unwhiten[...] + self.offset[...]

    def export(self) -> tuple[tuple[Float, ...], tuple[Float, ...]]:
        """Kernels and biases as float32 arrays, the affine map folded into the last layer in float64."""
        kernels = [np.asarray(layer.kernel[...], np.float64) for layer in self.layers]
        biases = [np.asarray(layer.bias[...], np.float64) for layer in self.layers]
        unwhiten = np.asarray(self.unwhiten[...], np.float64)
        kernels[-1] = kernels[-1] @ unwhiten
        biases[-1] = biases[-1] @ unwhiten + np.asarray(self.offset[...], np.float64)
        return tuple(k.astype(np.float32) for k in kernels), tuple(b.astype(np.float32) for b in biases)
