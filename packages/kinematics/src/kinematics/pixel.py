"""What a pixel of a rendered cube holds: the flux within it, or a sample of the sky without its finest structure.

Pixels that integrate are what an image is. For a Fourier transform they are poor: a point of light counts wherever in
its pixel it lies as if at the centre, and what pixels cannot show is aliased into what they can. Low-pass filtering
before the pixels are taken avoids both, so that hardly more pixels are needed than the sampling theorem asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["BAND_LIMITED", "BOX", "BandLimited", "Box", "Pixel", "deposit_matrix", "subcell_places"]


class Pixel(Protocol):
    """How subcells are put into pixels; hashable, since it shapes what is compiled."""

    @property
    def margin(self) -> int:
        """Pixels that light reaches beyond the one it falls into."""
        ...

    @property
    def longest_cycles(self) -> float:
        """Frequency [cycles per pixel] up to which `transform` tells what the pixels hold."""
        ...

    def weights(self, offset: np.ndarray) -> np.ndarray:
        """Share of a point's flux in pixels whose centres lie `offset` pixels from it, any shape."""
        ...

    def transform(self, cycles: np.ndarray) -> np.ndarray:
        """Fourier transform of a pixel at frequencies in cycles per pixel, any shape."""
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

    def weights(self, offset: np.ndarray) -> np.ndarray:
        """One in the pixel that the point is in."""
        return np.where(np.abs(offset) < 0.5, 1.0, 0.0)

    def transform(self, cycles: np.ndarray) -> np.ndarray:
        """Sinc."""
        return np.sinc(cycles)


@dataclass(frozen=True)
class BandLimited:
    """Samples of the sky less what the pixels cannot hold: a sinc in a Kaiser window.

    Subcells that are whole pixels are not filtered: they are samples already. The filter's transform is within 7e-4
    of one up to 0.375 cycles per pixel, and below 8e-4 from 0.625 on, where frequencies are that are aliased into
    the former: right for uv planes of up to three quarters of the pixels' own. The window is that of Kaiser &
    Schafer 1980, IEEE Trans. ASSP 28, 105.
    """

    margin: int = 8
    """Half the filter's length in pixels."""
    beta: float = 6.0
    """Shape of the window: larger for less ripple and a slower cut."""

    @property
    def longest_cycles(self) -> float:
        """Of the filter of the default length and shape."""
        return 0.375

    def weights(self, offset: np.ndarray) -> np.ndarray:
        """Windowed sinc, zero from `margin` pixels on."""
        window = np.i0(self.beta * np.sqrt(np.clip(1 - (offset / self.margin) ** 2, 0, None))) / np.i0(self.beta)
        return np.where(np.abs(offset) < self.margin, np.sinc(offset) * window, 0.0)

    def transform(self, cycles: np.ndarray) -> np.ndarray:
        """One, up to `longest_cycles`: beyond, the filter damps."""
        return np.ones_like(cycles)


BOX = Box()
BAND_LIMITED = BandLimited()


def subcell_places(npix: int, subcells: int) -> np.ndarray:
    """Centres of subcells along an axis, in pixels from the first pixel's centre, shape (npix * subcells,)."""
    return (np.arange(npix * subcells) - (subcells - 1) / 2) / subcells


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
    place = subcell_places(npix, subcells)
    row = np.arange(-pixel.margin, npix + pixel.margin)
    weights = pixel.weights(row[:, None] - place)
    weights /= weights.sum(axis=0)
    if not wrap:
        return weights
    folded = np.zeros((npix, weights.shape[1]))
    np.add.at(folded, row % npix, weights)
    return folded
