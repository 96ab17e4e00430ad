"""Visibilities of a cube on a half plane."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from kinematics.grids import SkyGrid

__all__ = ["centre_and_pixel", "model_visibilities"]


def model_visibilities(cube: Array, sky: SkyGrid, npix: int | None = None) -> Array:
    """Compute V(u, v) = sum I(l, m) exp(+2 pi i (u l + v m)) on the half plane of `rfft2`.

    The cube holds the sky convolved with a pixel. Dividing by the pixel's transform gives the visibilities of the
    sky itself, up to aliasing. Aliasing is small for `npix` up to 3/4 of the pixels of a `BandLimited` cube; in
    cubes of pixel averages it decreases slowly with the number of pixels.

    Args:
        cube: flux density [Jy per pixel], shape (..., sky.npix, sky.npix), real.
        sky: grid of the cube.
        npix: keep only the half plane of an image of this many pixels over the same field (static).

    Returns:
        Visibilities [Jy], shape (..., npix, npix // 2 + 1): v in the order of `fftfreq`, u of `rfftfreq`.

    Raises:
        ValueError: `npix` exceeds the number of pixels of the cube.

    """
    keep = sky.npix if npix is None else npix
    if keep > sky.npix:
        raise ValueError(f"npix = {keep} needs longer baselines than {sky.npix} cube pixels sample")
    transform = jnp.conj(jnp.fft.rfft2(cube))
    return _crop(transform, keep) * jnp.asarray(_crop(centre_and_pixel(sky), keep), transform.dtype)


def _crop[T: (Array, np.ndarray)](plane: T, npix: int) -> T:
    """Crop to the half plane of `npix` pixels, by two slices: gathering rows would make the gradient slow."""
    stack = jnp.concatenate if isinstance(plane, Array) else np.concatenate
    positive, negative = plane[..., : (npix + 1) // 2, :], plane[..., plane.shape[-2] - npix // 2 :, :]
    return stack([positive, negative], axis=-2)[..., : npix // 2 + 1]


def centre_and_pixel(sky: SkyGrid) -> np.ndarray:
    """Return the phase that moves the origin to pixel npix // 2, divided by the pixel's transform; shape (v, u)."""
    cycles_u = np.fft.rfftfreq(sky.npix)
    cycles_v = np.fft.fftfreq(sky.npix)
    shift = -2j * np.pi * (sky.npix // 2)
    row = np.exp(shift * cycles_u) / np.sinc(cycles_u)
    column = np.exp(shift * cycles_v) / np.sinc(cycles_v)
    return np.outer(column, row)
