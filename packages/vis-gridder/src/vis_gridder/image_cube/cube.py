"""Restored image cubes as gridded visibilities, for those who have no visibilities.

A restored image is the sky convolved with its beam, plus noise that the beam correlates. In the uv plane the
convolution is a product, and noise that is alike all over the image is independent from cell to cell: divided by the
beam's transform, the transform of the image is a set of cell means with variances, and one likelihood serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError, GriddedVisibilities, Kernel, NoiseReport, Store

from vis_gridder.constants import ARCSEC
from vis_gridder.image_cube.fits.open import ImageCube, open_image_cube
from vis_gridder.image_cube.line import ImageLine, free_channels, line_in_image
from vis_gridder.image_cube.noise import signal
from vis_gridder.image_cube.square import central_square
from vis_gridder.image_cube.uv_cells import FAINTEST_RESPONSE, ImageCells, half_plane, uv_cells
from vis_gridder.image_cube.variance import cell_noise
from vis_gridder.spectral.velocity import channels_within

__all__ = ["GriddedImage", "ImageOptions", "grid_image_cube", "read_image_cube"]


class GriddedImage(NamedTuple):
    """An image cube as gridded visibilities, and the line that was found in the image."""

    store: Store[GriddedVisibilities]
    line: ImageLine


SMALLEST_DISH_M, LARGEST_DISH_M = 0.1, 1000.0


@dataclass(frozen=True)
class ImageOptions:
    """Choices for an image cube; see `read_image_cube`.

    Raises:
        ContractError: no antenna is of that diameter.

    """

    npix: int | None = None
    velocity_min_kms: float | None = None
    velocity_max_kms: float | None = None
    line_free_kms: Sequence[tuple[float, float]] = ()
    rest_frequency_hz: float | None = None
    dish_diameter_m: float | None = None

    def __post_init__(self) -> None:
        if self.dish_diameter_m is not None and not SMALLEST_DISH_M <= self.dish_diameter_m <= LARGEST_DISH_M:
            limits = f"{SMALLEST_DISH_M:g} and {LARGEST_DISH_M:g}"
            raise ContractError("grid", f"dish_diameter_m is {self.dish_diameter_m}, must be within {limits}")

    @property
    def cuts_velocities(self) -> bool:
        """True if channels are dropped by their velocity."""
        return self.velocity_min_kms is not None or self.velocity_max_kms is not None


def read_image_cube(
    path: str | Path,
    *,
    npix: int | None = None,
    velocity_min_kms: float | None = None,
    velocity_max_kms: float | None = None,
    line_free_kms: Sequence[tuple[float, float]] = (),
    rest_frequency_hz: float | None = None,
    dish_diameter_m: float | None = None,
) -> Store[GriddedVisibilities]:
    """Read a restored FITS image cube of a line as gridded visibilities.

    The mean of a cell is the image's transform [Jy] over the transform of the beam, at the cell's centre: the kernel
    is "none". Cells where the beam's transform is below 0.1 are left out, as are (0, 0), which no interferometer
    measures, the Nyquist row and column, and cells much quieter than the others, which no baseline filled. The grid
    is no finer than a third of the beam.

    The variance of a cell is the power there of the channels without line, averaged over 3 x 3 cells if these are
    fewer than ten; where no two channels are free of line, that of the pixels beside it. A line may be in
    emission or absorption, or both. That treats noise
    correlated by the beam exactly, if it is the same all over the image. Noise that neighbouring channels share is
    measured, and all variances are multiplied by 1 + 2 (r_1 + r_2 + ...), which is right for what is wider than a
    channel; chi-square per degree of freedom is then below 1 by that factor. Errors of the deconvolution are in none
    of this.

    The largest square about the image's centre without blank pixels is taken. The observation has no dish, so that
    a model has no primary beam, as is right for an image corrected for it; for one that is not, give its dish.

    Args:
        path: FITS image; see `open_image_cube` for what it may be.
        npix: side of the square to take, pixels of the image; the largest if None.
        velocity_min_kms: drop channels below (radio definition); the noise is measured before.
        velocity_max_kms: drop channels above.
        line_free_kms: velocities without line, (low, high) each; found if none are given.
        rest_frequency_hz: rest frequency of the line, where the file lacks it or is wrong.
        dish_diameter_m: diameter of the antennas, for an image that is not corrected for the primary beam.

    Raises:
        ContractError: the file is not a usable cube (see `open_image_cube`), is all blank or blank where it
            matters, has too few pixels or beams, holds no noise, or none of its channels is within the range.

    Warns:
        GridWarning: the noise rises towards the edges, or channels share noise.

    """
    options = ImageOptions(
        npix, velocity_min_kms, velocity_max_kms, line_free_kms, rest_frequency_hz, dish_diameter_m
    )
    return grid_image_cube(path, options).store


def grid_image_cube(path: str | Path, options: ImageOptions) -> GriddedImage:
    """Read an image cube as `read_image_cube` does; return also the line found in the image."""
    cube = open_image_cube(path, options.rest_frequency_hz)
    rest_hz = options.rest_frequency_hz or cube.observation.rest_frequency_hz
    history = [*cube.history, *_assumptions(options)]
    image, held = central_square(cube, options.npix, history)
    major = max(beam.major_arcsec for beam, some in zip(cube.beams, held, strict=True) if some)
    found = signal(image, major / cube.cell_arcsec)
    line = line_in_image(cube, image, found, rest_hz)
    history.append(line.text)
    free = free_channels(cube, found, held, options.line_free_kms, rest_hz)

    cells = uv_cells(cube, image.shape[-1], held)
    mean = half_plane(np.fft.rfft2(np.fft.ifftshift(image, axes=(1, 2))), cells.npix).conj() / cells.response
    variance, dof, inside = cell_noise(cube, image, mean, cells, found, held, free, history)
    mask = inside & held[:, None, None] & (variance > 0) & (dof > 0)
    if not mask.any():
        raise ContractError(cube.name, "leaves no cell of the uv plane with data and noise; look at the image")

    kept = _kept_channels(cube, options, rest_hz, history)
    if not mask[kept].any():
        raise ContractError(cube.name, "is blank within the velocity range")
    history.append(
        f"transformed to {cells.npix} x {cells.npix} pixels of {cells.pixel_rad / ARCSEC:.6g} arcsec and divided by "
        f"the beam where its transform is above {FAINTEST_RESPONSE:g}; each cell counts as one visibility"
    )
    store = _store(cube, cells, (mean[kept], variance[kept], dof, mask[kept]), kept, options, history)
    store.check(path)
    return GriddedImage(store, line)


def _kept_channels(cube: ImageCube, options: ImageOptions, rest_hz: float | None, history: list[str]) -> slice:
    """Return the channels within the velocity range."""
    within = channels_within(
        cube.name, cube.frequency_hz, rest_hz, options.velocity_min_kms, options.velocity_max_kms
    )
    if options.cuts_velocities:
        history.append(f"kept channels {within[0]} to {within[-1]} of {cube.frequency_hz.size}")
    return slice(within.start, within.stop)


def _store(
    cube: ImageCube,
    cells: ImageCells,
    statistics: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    kept: slice,
    options: ImageOptions,
    history: list[str],
) -> Store[GriddedVisibilities]:
    """Return the store of some channels.

    Args:
        cube: as read.
        cells: cells of the uv plane.
        statistics: mean, variance, degrees of freedom and mask, [channel kept, v, u] or [v, u].
        kept: channels.
        options: choices of the user.
        history: lines for the manifest.

    """
    mean, variance, dof, mask = statistics
    return Store(
        GriddedVisibilities(
            observation=cube.observation.model_copy(update={"dish_diameter_m": options.dish_diameter_m}),
            npix=cells.npix,
            cell_arcsec=float(f"{cells.pixel_rad / ARCSEC:.12g}"),
            channel_width_hz=cube.width_hz,
            kernel=Kernel(name="none", width_cells=0.0, beta=0.0),
            noise=NoiseReport.of_cells(variance, mask),
            source=cube.name,
            history=tuple(history),
        ),
        {
            "mean": np.where(mask, mean, 0).astype(np.complex64),
            "variance": np.where(mask, variance, 0).astype(np.float32),
            "dof": np.where(mask, dof, 0).astype(np.float32),
            "count": mask.astype(np.int32),
            "mask": mask,
            "frequency_hz": cube.frequency_hz[kept],
            "u_wavelengths": cells.u,
            "v_wavelengths": cells.v,
        },
    )


def _assumptions(options: ImageOptions) -> list[str]:
    """Return the assumptions made for every image, as lines of history."""
    lines = [
        "assumed a restored image: BUNIT and beam do not distinguish it from a dirty one, whose beam is not Gaussian"
    ]
    if options.dish_diameter_m is None:
        lines.append(
            "assumed an image that is corrected for the primary beam, or much smaller than it: dish_diameter_m "
            "(--dish-diameter-m), for one that is not, would replace it"
        )
    return lines
