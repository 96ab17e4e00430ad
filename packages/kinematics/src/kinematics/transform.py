"""From a real cube to a part of its Fourier plane."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = ["half_plane"]


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def half_plane(cube: Array, npix: int) -> Array:
    """Sum f(y, x) exp(-2 pi i (v y + u x) / n) over pixels, for the cells of an image of `npix` pixels.

    The transpose is written out: what JAX derives pads and copies the whole plane several times.

    Args:
        cube: real, shape (..., n, n).
        npix: at most n (static).

    Returns:
        Shape (..., npix, npix // 2 + 1), v ascending from -(npix // 2), u from 0.

    """
    transform = jnp.fft.rfft2(cube)[..., : npix // 2 + 1]
    negative, positive = transform[..., cube.shape[-2] - npix // 2 :, :], transform[..., : (npix + 1) // 2, :]
    return jnp.concatenate([negative, positive], axis=-2)


def _forward(cube: Array, npix: int) -> tuple[Array, Array]:
    # Of the cube only its shape is needed on the way back, which an empty slice of it carries.
    return half_plane(cube, npix), cube[..., :0]


def _backward(npix: int, shape: Array, cotangent: Array) -> tuple[Array]:
    """Re sum g exp(-i ...) over cells: an inverse transform of conj(g), which counts most columns twice."""
    n = shape.shape[-2]
    share = np.full(npix // 2 + 1, 0.5 * n * n)
    once = np.arange(npix // 2 + 1) * 2 % n == 0
    share[once] = n * n
    conjugate = jnp.conj(cotangent) * jnp.asarray(share, cotangent.real.dtype)
    spare = jnp.zeros((*cotangent.shape[:-2], n - npix, cotangent.shape[-1]), cotangent.dtype)
    rows = jnp.concatenate([conjugate[..., npix // 2 :, :], spare, conjugate[..., : npix // 2, :]], axis=-2)
    # Columns beyond those of `npix` pixels are zero; irfft2 pads them.
    return (jnp.fft.irfft2(rows, (n, n)),)


half_plane.defvjp(_forward, _backward)
