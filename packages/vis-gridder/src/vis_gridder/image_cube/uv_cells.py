"""Cells of the uv plane that a restored image fills, and the transform of its beam there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vis_gridder.constants import ARCSEC
from vis_gridder.image_cube.fits.open import ImageCube
from vis_gridder.image_cube.noise import beam_response

__all__ = ["FAINTEST_RESPONSE", "ImageCells", "half_plane", "uv_cells"]

FAINTEST_RESPONSE = 0.1
"""Smallest usable value of the beam's transform; below, edge effects of the image would be amplified tenfold."""
PIXELS_PER_BEAM = 3.0
"""Pixels of the output grid per minor axis of the beam; finer pixels add no information."""


class ImageCells(NamedTuple):
    """Cells of the uv plane, and the transform of the beam there."""

    npix: int
    pixel_rad: float
    u: np.ndarray
    v: np.ndarray
    response: np.ndarray
    """[channel, v, u] transform of the beams."""
    typical: np.ndarray
    """[v, u] median over the channels with data."""
    inside: np.ndarray
    """[channel, v, u] bool, cells to use."""


def uv_cells(cube: ImageCube, size: int, held: np.ndarray) -> ImageCells:
    """Return the cells of a square image.

    Args:
        cube: as read.
        size: pixels of the square along a side.
        held: [channel] whether there are data.

    """
    minor = min(beam.minor_arcsec for beam, some in zip(cube.beams, held, strict=True) if some)
    npix = _grid(size, cube.cell_arcsec, minor)
    pixel_rad = size * cube.cell_arcsec / npix * ARCSEC
    u, v = np.fft.rfftfreq(npix, pixel_rad), np.fft.fftfreq(npix, pixel_rad)
    response = np.stack([beam_response(beam, u * ARCSEC, v * ARCSEC) for beam in cube.beams])
    return ImageCells(npix, pixel_rad, u, v, response, np.median(response[held], axis=0), _cells(response, npix))


def _grid(size: int, cell_arcsec: float, minor_arcsec: float) -> int:
    """Return the pixels along a side of a grid of the same field, an even number, no finer than the beam asks for."""
    needed = 2 * int(np.ceil(0.5 * PIXELS_PER_BEAM * size * cell_arcsec / minor_arcsec))
    return max(min(needed, size), 8)


def half_plane(plane: np.ndarray, npix: int) -> np.ndarray:
    """Cut a half plane [..., v, u] in the order of `rfft2` to that of `npix` pixels over the same field."""
    rows = np.concatenate([np.arange((npix + 1) // 2), np.arange(-(npix // 2), 0)])
    return plane[..., rows, : npix // 2 + 1]


def _cells(response: np.ndarray, npix: int) -> np.ndarray:
    """Return the cells to use, [channel, v, u]: no two are conjugates of each other."""
    inside = response >= FAINTEST_RESPONSE
    inside[:, 0, 0] = False  # no baseline has length zero
    inside[:, npix // 2 + npix % 2 :, 0] = False  # v < 0, the conjugates of v > 0
    if npix % 2 == 0:
        inside[:, npix // 2, :] = inside[:, :, npix // 2] = False  # both signs at once
    return inside
