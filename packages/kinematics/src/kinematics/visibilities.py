"""From a cube to the visibilities of a half plane, and the primary beam on the way."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from kinematics.constants import ARCSEC_RAD, C_KMS
from kinematics.grids import SkyGrid

__all__ = ["model_visibilities", "primary_beam"]


def primary_beam(sky: SkyGrid, dish_diameter_m: float, frequency_hz: float) -> np.ndarray:
    """Gaussian primary beam centred on the phase centre, FWHM = 1.13 lambda / D; shape (npix, npix), peak 1."""
    wavelength_m = C_KMS * 1e3 / frequency_hz
    fwhm_arcsec = 1.13 * wavelength_m / dish_diameter_m / ARCSEC_RAD
    profile = np.exp(-4 * np.log(2) * (sky.centres_arcsec / fwhm_arcsec) ** 2)
    return np.outer(profile, profile)


def model_visibilities(cube: Array, sky: SkyGrid, npix: int | None = None) -> Array:
    """Visibilities V(u, v) = sum I(l, m) exp(+2 pi i (u l + v m)) on the half plane of `rfft2`.

    The cube holds pixel averages: the sky convolved with a pixel. Dividing by that pixel's transform,
    sinc(u cell) sinc(v cell), gives the visibilities of the sky itself, up to aliasing; aliasing falls quickly
    when `sky` is finer than the grid of the data, hence `npix`.

    Args:
        cube: flux density [Jy per pixel], shape (..., sky.npix, sky.npix), real.
        sky: its grid (static).
        npix: keep only the half plane of an image of this many pixels over the same field (static).

    Returns:
        Visibilities [Jy], shape (..., npix, npix // 2 + 1): v in the order of `fftfreq`, u of `rfftfreq`.

    """
    keep = sky.npix if npix is None else npix
    if keep > sky.npix:
        raise ValueError(f"npix = {keep} asks for longer baselines than the cube's {sky.npix} pixels hold")
    transform = jnp.conj(jnp.fft.rfft2(cube))
    return _crop(transform, keep) * jnp.asarray(_crop(_centre_and_pixel(sky), keep), transform.dtype)


def _crop[T: (Array, np.ndarray)](plane: T, npix: int) -> T:
    """Keep the half plane of `npix` pixels; two slices, because gathering rows makes for a slow gradient."""
    stack = jnp.concatenate if isinstance(plane, Array) else np.concatenate
    positive, negative = plane[..., : (npix + 1) // 2, :], plane[..., plane.shape[-2] - npix // 2 :, :]
    return stack([positive, negative], axis=-2)[..., : npix // 2 + 1]


def _centre_and_pixel(sky: SkyGrid) -> np.ndarray:
    """Phase that moves the origin to pixel npix // 2, over the transform of a pixel; shape (v, u)."""
    cycles_u = np.fft.rfftfreq(sky.npix)
    cycles_v = np.fft.fftfreq(sky.npix)
    shift = -2j * np.pi * (sky.npix // 2)
    row = np.exp(shift * cycles_u) / np.sinc(cycles_u)
    column = np.exp(shift * cycles_v) / np.sinc(cycles_v)
    return np.outer(column, row)
