"""Pixel response of a rendered cube: the flux within each pixel, of the sky or of a low-pass filtered sky.

The former suits images. For a Fourier transform it is poor, because structure finer than the pixels is aliased to
lower frequencies. Low-pass filtering before sampling avoids this, so that hardly more pixels are needed than the
sampling theorem requires. In both cases a pixel averages over its square; the Fourier transform is corrected for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = [
    "BAND_LIMITED",
    "BOX",
    "BandLimited",
    "Box",
    "Pixel",
    "along_both_axes",
    "deposit",
    "deposit_matrix",
    "subcell_places",
]


class Pixel(Protocol):
    """Interface of a pixel response; hashable because compiled code depends on it."""

    @property
    def margin(self) -> int:
        """Number of pixels that light reaches beyond the one it falls into."""
        ...

    @property
    def longest_cycles(self) -> float:
        """Highest frequency [cycles per pixel] at which the transform, corrected for the square, is accurate."""
        ...

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """Fraction of a subcell's light in pixels whose centres lie `offset` pixels from its own, any shape."""
        ...


@dataclass(frozen=True)
class Box:
    """Response of a plain image: flux within the pixel's square."""

    @property
    def margin(self) -> int:
        """Zero: each subcell lies in one pixel."""
        return 0

    @property
    def longest_cycles(self) -> float:
        """Nyquist frequency of the pixels; aliasing grows towards it."""
        return 0.5

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """One in the pixel that contains the subcell, zero elsewhere."""
        del subcells
        return np.where(np.abs(offset) < 0.5, 1.0, 0.0)


@dataclass(frozen=True)
class BandLimited:
    """Response of a band-limited cube: flux within the pixel's square after a Kaiser-windowed sinc filter.

    Subcells that are whole pixels are samples already and are not filtered. The transform of the filter is within
    1.5e-4 of one up to 0.375 cycles per pixel and below 1.5e-4 from 0.625 on, the frequencies that alias into the
    former. It therefore suits uv planes of up to three quarters of the pixels' own. The window is that of Kaiser &
    Schafer (1980), IEEE Trans. ASSP 28, 105.
    """

    half_length: int = 10
    """Half-length of the filter [pixels]."""
    beta: float = 7.9
    """Shape parameter of the window: larger values give less ripple and a slower cutoff."""

    @property
    def margin(self) -> int:
        """Half-length of the filter from anywhere in a pixel, plus half the pixel over which it is averaged."""
        return self.half_length + 1

    @property
    def longest_cycles(self) -> float:
        """Edge of the passband [cycles per pixel] for the default length and shape."""
        return 0.375

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """Average the filter over as many positions of the subcell as fill a pixel's side.

        Copies of the subcell's square at these positions tile a pixel. Light spread over a subcell is then treated as
        if it were spread over a pixel, like the light of subcells that are whole pixels.
        """
        return np.mean([self.filter(offset + shift) for shift in subcell_places(subcells, subcells)], axis=0)

    def filter(self, offset: np.ndarray) -> np.ndarray:
        """Windowed sinc at offsets [pixels], any shape; zero from `half_length` on."""
        window = np.i0(self.beta * np.sqrt(np.clip(1 - (offset / self.half_length) ** 2, 0, None))) / np.i0(self.beta)
        return np.where(np.abs(offset) < self.half_length, np.sinc(offset) * window, 0.0)


BOX = Box()
BAND_LIMITED = BandLimited()


def subcell_places(n: int, subcells: int, beyond: int = 0) -> np.ndarray:
    """Centres of n subcells along an axis, plus `beyond` at either end, in pixels from the first pixel's centre."""
    return (np.arange(-beyond, n + beyond) - (subcells - 1) / 2) / subcells


def deposit(light: Array, pixel: Pixel, npix: int, subcells: int, *, wrap: bool) -> Array:
    """Assign the light of subcells to pixels.

    Args:
        light: light of the subcells, shape (..., npix * subcells, npix * subcells).
        pixel: pixel response.
        npix: pixels along a side covered by the subcells.
        subcells: subcells along a pixel's side.
        wrap: see `deposit_matrix`.

    Returns:
        Light of the pixels, shape (..., npix, npix) if wrapped, else with `pixel.margin` more on every side.

    """
    if subcells == 1 and wrap:
        return light
    matrix = deposit_matrix(pixel, npix, subcells, wrap=wrap)
    if pixel.margin:
        return along_both_axes(matrix, light)
    # Each subcell lies in one pixel: adding rows is faster than a matrix product.
    rows = light.reshape(*light.shape[:-2], npix, subcells, light.shape[-1])
    return _matmul(reduce(add, (rows[..., k, :] for k in range(subcells))), jnp.asarray(matrix.T, light.dtype))


def along_both_axes(matrix: np.ndarray, image: Array) -> Array:
    """Apply a matrix (out, in) along both y and x of an image (..., y, x)."""
    weights = jnp.asarray(matrix, image.dtype)
    return _matmul(weights, _matmul(image, weights.T))


# On GPUs, matrix products otherwise round their inputs to ten bits (TF32).
_matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def deposit_matrix(pixel: Pixel, npix: int, subcells: int, *, wrap: bool) -> np.ndarray:
    """Return the weights that map subcells to pixels along one axis.

    Args:
        pixel: pixel response.
        npix: pixels covered by the subcells.
        subcells: subcells per pixel.
        wrap: whether light that leaves at one end re-enters at the other, as in a discrete Fourier transform, instead
            of going to margin pixels.

    Returns:
        Weights, shape (npix, npix * subcells) if wrapped, else (npix + 2 margin, npix * subcells); columns sum to 1.

    """
    place = subcell_places(npix * subcells, subcells)
    row = np.arange(-pixel.margin, npix + pixel.margin)
    weights = pixel.weights(row[:, None] - place, subcells)
    weights /= weights.sum(axis=0)
    if not wrap:
        return weights
    folded = np.zeros((npix, weights.shape[1]))
    np.add.at(folded, row % npix, weights)
    return folded
