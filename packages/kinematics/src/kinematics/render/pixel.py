"""What a pixel of a rendered cube holds: the flux within it, of the sky or of a sky without its finest structure.

An image holds the former. For a Fourier transform that is poor: what pixels cannot show is aliased into what they
can. Low-pass filtering before the pixels are taken avoids it, so that hardly more pixels are needed than the sampling
theorem asks for. Either way a pixel averages over its square, which a Fourier transform divides out.
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
    """How subcells are put into pixels; hashable, since it shapes what is compiled."""

    @property
    def margin(self) -> int:
        """Pixels that light reaches beyond the one it falls into."""
        ...

    @property
    def longest_cycles(self) -> float:
        """Frequency [cycles per pixel] up to which the pixels' transform, less that of a square, is the sky's."""
        ...

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """Share of a subcell's light in pixels whose centres lie `offset` pixels from its own, any shape."""
        ...


@dataclass(frozen=True)
class Box:
    """Flux within the pixel's square."""

    @property
    def margin(self) -> int:
        """None: each subcell lies in one pixel."""
        return 0

    @property
    def longest_cycles(self) -> float:
        """What pixels hold at all; aliasing grows towards it."""
        return 0.5

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """One in the pixel that the subcell is in."""
        del subcells
        return np.where(np.abs(offset) < 0.5, 1.0, 0.0)


@dataclass(frozen=True)
class BandLimited:
    """Flux within the pixel's square, of a sky less what the pixels cannot hold: a sinc in a Kaiser window.

    Subcells that are whole pixels are not filtered: they are samples already. The filter's transform is within 1.5e-4
    of one up to 0.375 cycles per pixel, and below 1.5e-4 from 0.625 on, where frequencies are that are aliased into
    the former: right for uv planes of up to three quarters of the pixels' own. The window is that of Kaiser &
    Schafer 1980, IEEE Trans. ASSP 28, 105.
    """

    half_length: int = 10
    """Of the filter, in pixels."""
    beta: float = 7.9
    """Shape of the window: larger for less ripple and a slower cut."""

    @property
    def margin(self) -> int:
        """The filter's length from anywhere in a pixel, and half the pixel over which it is averaged."""
        return self.half_length + 1

    @property
    def longest_cycles(self) -> float:
        """Of the filter of the default length and shape."""
        return 0.375

    def weights(self, offset: np.ndarray, subcells: int) -> np.ndarray:
        """Mean of the filter over as many places of the subcell as make up a pixel's side.

        A subcell's square next to itself so often is a pixel's square: light that is spread over the one then counts
        as if it were spread over the other, as that of subcells that are whole pixels is.
        """
        return np.mean([self.filter(offset + shift) for shift in subcell_places(subcells, subcells)], axis=0)

    def filter(self, offset: np.ndarray) -> np.ndarray:
        """Windowed sinc at offsets in pixels, any shape; zero from `half_length` on."""
        window = np.i0(self.beta * np.sqrt(np.clip(1 - (offset / self.half_length) ** 2, 0, None))) / np.i0(self.beta)
        return np.where(np.abs(offset) < self.half_length, np.sinc(offset) * window, 0.0)


BOX = Box()
BAND_LIMITED = BandLimited()


def subcell_places(n: int, subcells: int, beyond: int = 0) -> np.ndarray:
    """Centres of n subcells along an axis, `subcells` to a pixel, and some beyond; in pixels from the first one's."""
    return (np.arange(-beyond, n + beyond) - (subcells - 1) / 2) / subcells


def deposit(light: Array, pixel: Pixel, npix: int, subcells: int, *, wrap: bool) -> Array:
    """Put the light of subcells into pixels.

    Args:
        light: of the subcells, shape (..., npix * subcells, npix * subcells).
        pixel: what pixels hold.
        npix: pixels along a side that the subcells divide.
        subcells: along a side of each.
        wrap: see `deposit_matrix`.

    Returns:
        Shape (..., npix, npix) if wrapped, else with a margin of `pixel.margin` on every side.

    """
    if subcells == 1 and wrap:
        return light
    matrix = deposit_matrix(pixel, npix, subcells, wrap=wrap)
    if pixel.margin:
        return along_both_axes(matrix, light)
    # Each subcell is in one pixel: adding up rows takes less time than a product of matrices.
    rows = light.reshape(*light.shape[:-2], npix, subcells, light.shape[-1])
    return _matmul(reduce(add, (rows[..., k, :] for k in range(subcells))), jnp.asarray(matrix.T, light.dtype))


def along_both_axes(matrix: np.ndarray, image: Array) -> Array:
    """Apply a matrix along y and along x of an image (..., y, x)."""
    weights = jnp.asarray(matrix, image.dtype)
    return _matmul(weights, _matmul(image, weights.T))


# On GPUs products of matrices are otherwise rounded to ten bits.
_matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def deposit_matrix(pixel: Pixel, npix: int, subcells: int, *, wrap: bool) -> np.ndarray:
    """Weights that take subcells along one axis to pixels.

    Args:
        pixel: how.
        npix: pixels that the subcells divide.
        subcells: in each of them.
        wrap: light that leaves at one end comes back at the other, as a discrete Fourier transform has it, instead of
            in pixels of its own.

    Returns:
        Shape (npix, npix * subcells) if wrapped, else (npix + 2 margin, npix * subcells); columns add up to one.

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
