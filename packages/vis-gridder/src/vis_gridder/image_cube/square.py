"""Central square of an image cube without blanks, wide enough for its beam."""

from __future__ import annotations

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.image_cube.fits.open import ImageCube

__all__ = ["central_square"]

FEWEST_PIXELS_PER_BEAM = 2.0
FEWEST_BEAMS = 4.0
"""Minimum beams across the field; edge effects dominate with fewer."""
MOST_ZEROS = 0.01
"""Fraction of voxels: an image with more exact zeros was blanked with zeros."""


def central_square(cube: ImageCube, npix: int | None, history: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest square about the centre without blanks, blank channels 0, and which channels hold data.

    Args:
        cube: as read.
        npix: side of the square; the largest if None.
        history: lines are added about what was cut and what was taken for blank.

    Raises:
        ContractError: blank, or too small for its beam.

    """
    image = cube.image
    _, ny, nx = image.shape
    held = np.isfinite(image).any(axis=(1, 2)) & (np.nanmax(np.abs(np.nan_to_num(image)), axis=(1, 2)) > 0)
    if not held.any():
        raise ContractError(cube.name, "is blank: every pixel is NaN or zero")
    zeros = image == 0
    n_zeros = int(np.count_nonzero(zeros[held]))
    if n_zeros > MOST_ZEROS * image[held].size:
        image = np.where(zeros, np.nan, image)
        history.append(
            f"assumed blank the {100.0 * n_zeros / image[held].size:.2g} % of pixels that are exactly 0: NaN where "
            "the image holds no data would replace it"
        )
    blank = ~np.isfinite(image[held]).all(axis=0)
    y, x = (a.ravel() for a in np.nonzero(blank))
    # The frame around the image is blank as well.
    y, x = np.append(y, [-1, ny, ny // 2, ny // 2]) - ny // 2, np.append(x, [nx // 2, nx // 2, -1, nx]) - nx // 2
    # A square of n pixels has n // 2 before its centre and (n - 1) // 2 behind it.
    largest = int(np.min(np.maximum(*(np.where(d >= 0, 2 * d, -2 * d - 1) for d in (y, x)))))
    if npix is not None and not 8 <= npix <= largest:
        raise ContractError(
            cube.name,
            f"has {largest} x {largest} pixels without blanks about its centre; npix = {npix} is not among them",
        )
    size = npix or largest
    if size < 8:
        raise ContractError(
            cube.name,
            f"is blank within {max(largest, 0)} pixels of its centre, in some channel. If it was masked by hand or "
            "threshold, give the cube before that (its noise is needed); else cut it to the part that holds data",
        )
    if size < max(ny, nx):
        why = "as asked" if npix is not None else "the largest square about the centre without blank pixels"
        history.append(f"took {size} x {size} of {nx} x {ny} pixels, {why}")
    if not held.all():
        history.append(f"{np.count_nonzero(~held)} of {held.size} channels are blank and hold no data")
    first_y, first_x = ny // 2 - size // 2, nx // 2 - size // 2
    square = image[:, first_y : first_y + size, first_x : first_x + size]
    _check_beams(cube, size, held)
    return np.where(held[:, None, None], square, 0.0), held


def _check_beams(cube: ImageCube, size: int, held: np.ndarray) -> None:
    beams = [beam for beam, some in zip(cube.beams, held, strict=True) if some]
    major, minor = max(beam.major_arcsec for beam in beams), min(beam.minor_arcsec for beam in beams)
    if minor < FEWEST_PIXELS_PER_BEAM * cube.cell_arcsec:
        raise ContractError(
            cube.name,
            f"has a beam of {minor:.3g} arcsec in pixels of {cube.cell_arcsec:.3g}: fewer than two across do not "
            "hold it; image with finer pixels",
        )
    if size * cube.cell_arcsec < FEWEST_BEAMS * major:
        raise ContractError(
            cube.name,
            f"is {size * cube.cell_arcsec:.3g} arcsec wide without blanks, less than four beams of {major:.3g}",
        )
