"""From a cube to the visibilities of a half plane."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from kinematics.cell_response import MARGIN, CellResponse, apply_cell_response
from kinematics.grids import SkyGrid

__all__ = ["model_visibilities"]


def model_visibilities(
    cube: Array,
    sky: SkyGrid,
    npix: int | None = None,
    response: CellResponse | None = None,
) -> Array:
    """Visibilities V(u, v) = sum I(l, m) exp(+2 pi i (u l + v m)) on the half plane of `rfft2`.

    The cube holds the sky convolved with a pixel. Dividing by that pixel's transform gives the visibilities of the
    sky itself, up to aliasing. That is small where `npix` is up to 3/4 of the pixels of a `BandLimited` cube; in
    cubes of pixel averages it falls slowly with more pixels.

    Args:
        cube: flux density [Jy per pixel], shape (..., sky.npix, sky.npix), real.
        sky: its grid.
        npix: keep only the half plane of an image of this many pixels over the same field (static).
        response: of the data's uv cells, whose expected means are then returned in place of V at their centres; the
            cube's last axes are (channel, y, x), and `sky` has at least 2 MARGIN pixels more than `npix`.

    Returns:
        Visibilities [Jy], shape (..., npix, npix // 2 + 1): v in the order of `fftfreq`, u of `rfftfreq`.

    """
    keep = sky.npix if npix is None else npix
    edge = 0 if response is None else 2 * MARGIN
    if keep + edge > sky.npix:
        beyond = f" and {edge} more for the cells' response" if edge else ""
        raise ValueError(f"npix = {keep}{beyond} asks for longer baselines than the cube's {sky.npix} pixels hold")
    transform = jnp.conj(jnp.fft.rfft2(cube))
    multiplier = _centre_and_pixel(sky)
    if response is None:
        return _crop(transform, keep) * jnp.asarray(_crop(multiplier, keep), transform.dtype)
    wide = keep + edge
    plane = _crop(transform, wide, ascending=True)
    plane *= jnp.asarray(_crop(multiplier, wide, ascending=True), transform.dtype)
    means = apply_cell_response(plane, response)
    return jnp.concatenate([means[..., keep // 2 :, :], means[..., : keep // 2, :]], axis=-2)


def _crop[T: (Array, np.ndarray)](plane: T, npix: int, *, ascending: bool = False) -> T:
    """Keep the half plane of `npix` pixels, v in the order of `fftfreq` or ascending.

    Two slices, because gathering rows makes for a slow gradient.
    """
    stack = jnp.concatenate if isinstance(plane, Array) else np.concatenate
    positive, negative = plane[..., : (npix + 1) // 2, :], plane[..., plane.shape[-2] - npix // 2 :, :]
    rows = [negative, positive] if ascending else [positive, negative]
    return stack(rows, axis=-2)[..., : npix // 2 + 1]


def _centre_and_pixel(sky: SkyGrid) -> np.ndarray:
    """Phase that moves the origin to pixel npix // 2, over the transform of a pixel's square; shape (v, u)."""
    cycles_u = np.fft.rfftfreq(sky.npix)
    cycles_v = np.fft.fftfreq(sky.npix)
    shift = -2j * np.pi * (sky.npix // 2)
    row = np.exp(shift * cycles_u) / np.sinc(cycles_u)
    column = np.exp(shift * cycles_v) / np.sinc(cycles_v)
    return np.outer(column, row)
