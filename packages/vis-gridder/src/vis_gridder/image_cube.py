"""Restored image cubes as gridded visibilities, for those who have no visibilities.

A restored image is the sky convolved with its beam, plus noise that the beam correlates. In the uv plane the
convolution is a product, and noise that is alike all over the image is independent from cell to cell: divided by the
beam's transform, the transform of the image is a set of cell means with variances, and one likelihood serves both.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, GriddedVisibilities, Kernel, NoiseReport, Store

from vis_gridder.constants import ARCSEC
from vis_gridder.dirty import FWHM_PER_SIGMA
from vis_gridder.gridding import GridWarning
from vis_gridder.image_noise import (
    beam_response,
    channel_correlation,
    edge_excess,
    emission,
    line_free,
    power_beside_emission,
    power_of_channels,
    robust_sigma,
)
from vis_gridder.readers.image_fits import ImageCube, is_image_cube, open_image_cube
from vis_gridder.velocity import channels_within, radio_velocity_kms

__all__ = ["is_image_cube", "read_image_cube"]

FAINTEST_RESPONSE = 0.1
"""Of the beam's transform; beyond, the image holds what its sharp edges left, which division would raise tenfold."""
PIXELS_PER_BEAM = 3.0
"""Of the grid that is handed on, along the minor axis; the beam leaves nothing for finer ones to hold."""
FEWEST_PIXELS_PER_BEAM = 2.0
FEWEST_BEAMS = 4.0
"""Across the field: with fewer, its edges are everywhere."""
MOST_ZEROS = 0.01
"""Of the voxels: an image with more exact zeros was blanked by them."""
FEWEST_FREE = 2
"""Channels without line below which the noise is taken from beside the emission."""
UNMEASURED = 0.05
"""Of the noise power at like baselines: quieter cells were not observed; the deconvolution made up what they hold."""
BANDS = 5
NOISY_EDGE = 1.3
UNEVEN_CHANNELS = 1.25
"""Noise of a channel over the typical one: less is chance or faint emission."""


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
    fewer than ten; where no two channels are free of line, that of the pixels beside it. That treats noise
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
        rest_frequency_hz: of the line, where the file lacks it or is wrong.
        dish_diameter_m: of the antennas, for an image that is not corrected for the primary beam.

    Raises:
        ContractError: the file is not a usable cube (see `open_image_cube`), is all blank or blank where it
            matters, has too few pixels or beams, holds no noise, or none of its channels is within the range.

    Warns:
        GridWarning: the noise rises towards the edges, or channels share noise.

    """
    cube = open_image_cube(path, rest_frequency_hz)
    history = list(cube.history)
    image, held = _square(cube, npix, history)
    size = image.shape[-1]
    major = max(beam.major_arcsec for beam in cube.beams)
    minor = min(beam.minor_arcsec for beam in cube.beams)
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
    found = emission(image, major / cube.cell_arcsec)
    free = _free_channels(cube, found, held, line_free_kms, rest_frequency_hz, history)

    grid = _grid(size, cube.cell_arcsec, minor)
    pixel_rad = size * cube.cell_arcsec / grid * ARCSEC
    u, v = np.fft.rfftfreq(grid, pixel_rad), np.fft.fftfreq(grid, pixel_rad)
    mean = _half_plane(np.fft.rfft2(np.fft.ifftshift(image, axes=(1, 2))), grid).conj()
    response = np.stack([beam_response(beam, u * ARCSEC, v * ARCSEC) for beam in cube.beams])
    mean /= response
    inside = _cells(response, grid)
    typical = np.median(response[held], axis=0)
    n_free = int(np.count_nonzero(free))
    if n_free >= FEWEST_FREE:
        # Over one response, so that channels with other beams have the same noise.
        raw = np.abs(mean[free] * response[free] / typical) ** 2
        power, dof, side = power_of_channels(raw, inside.all(axis=0))
        history.append(
            f"noise power of each uv cell from {n_free} channels without line"
            + (f", averaged over {side} x {side} cells" if side > 1 else "")
        )
        beside = np.broadcast_to(free[:, None, None], image.shape)
    else:
        beside = ~found & held[:, None, None]
        raw_power, one_dof = power_beside_emission(image[held], found[held], major / cube.cell_arcsec)
        power = _half_plane(raw_power, grid) / typical**2
        dof = np.full(power.shape, one_dof)
        history.append("no two channels are free of line: noise power from the pixels beside the emission, smoothed")
    inside &= _measured(power, typical, inside.all(axis=0), history)
    factor = _channel_factors(cube.name, image, found, held, free, history)
    inflation = _correlation(cube, image, beside, history)
    variance = 0.5 * inflation * power * (typical / response) ** 2 * factor[:, None, None]
    mask = inside & held[:, None, None] & (variance > 0) & (dof > 0)
    if not mask.any():
        raise ContractError(cube.name, "leaves no cell of the uv plane with data and noise; look at the image")
    _check_edges(cube, image, beside, history)

    rest_hz = rest_frequency_hz or cube.observation.rest_frequency_hz
    within = channels_within(cube.name, cube.frequency_hz, rest_hz, velocity_min_kms, velocity_max_kms)
    if velocity_min_kms is not None or velocity_max_kms is not None:
        history.append(f"kept channels {within[0]} to {within[-1]} of {cube.frequency_hz.size}")
    kept = slice(within.start, within.stop)
    mask, mean, variance = mask[kept], mean[kept], variance[kept]
    if not mask.any():
        raise ContractError(cube.name, "is blank within the velocity range")
    history.append(
        f"transformed to {grid} x {grid} pixels of {pixel_rad / ARCSEC:.6g} arcsec and divided by the beam where its "
        f"transform is above {FAINTEST_RESPONSE:g}; each cell counts as one visibility"
    )
    store = Store(
        GriddedVisibilities(
            observation=cube.observation.model_copy(update={"dish_diameter_m": dish_diameter_m}),
            npix=grid,
            cell_arcsec=float(f"{pixel_rad / ARCSEC:.12g}"),
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
            "u_wavelengths": u,
            "v_wavelengths": v,
        },
    )
    store.check(path)
    return store


def _square(cube: ImageCube, npix: int | None, history: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest square about the centre without blanks, blank channels 0, and which channels hold data."""
    image = cube.image
    _, ny, nx = image.shape
    held = np.isfinite(image).any(axis=(1, 2)) & (np.nanmax(np.abs(np.nan_to_num(image)), axis=(1, 2)) > 0)
    if not held.any():
        raise ContractError(cube.name, "is blank: every pixel is NaN or zero")
    zeros = image == 0
    if np.count_nonzero(zeros[held]) > MOST_ZEROS * image[held].size:
        image = np.where(zeros, np.nan, image)
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
    return np.where(held[:, None, None], square, 0.0), held


def _free_channels(
    cube: ImageCube,
    found: np.ndarray,
    held: np.ndarray,
    line_free_kms: Sequence[tuple[float, float]],
    rest_hz: float | None,
    history: list[str],
) -> np.ndarray:
    """Return the channels without line."""
    if not line_free_kms:
        free = line_free(found) & held
        if not found.any():
            history.append("no emission stands out of the noise")
        return free
    rest = rest_hz or cube.observation.rest_frequency_hz
    if rest is None:
        raise ContractError(cube.name, "does not tell the rest frequency; give one with velocities")
    velocity = radio_velocity_kms(cube.frequency_hz, rest)
    free = np.zeros(held.size, bool)
    for low, high in line_free_kms:
        free |= (velocity >= low) & (velocity <= high)
    free &= held
    if np.count_nonzero(free) < FEWEST_FREE:
        raise ContractError(
            cube.name,
            f"has {np.count_nonzero(free)} channels with data within the line-free velocities; its channels are at "
            f"{velocity.min():.1f} to {velocity.max():.1f} km/s, and two are needed",
        )
    return free


def _grid(size: int, cell_arcsec: float, minor_arcsec: float) -> int:
    """Return the pixels along a side of a grid of the same field, an even number, no finer than the beam asks for."""
    needed = 2 * int(np.ceil(0.5 * PIXELS_PER_BEAM * size * cell_arcsec / minor_arcsec))
    return max(min(needed, size), 8)


def _half_plane(plane: np.ndarray, npix: int) -> np.ndarray:
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


def _measured(power: np.ndarray, typical: np.ndarray, inside: np.ndarray, history: list[str]) -> np.ndarray:
    """Return the cells whose noise is not far below that of others at like baselines, [v, u]."""
    reference = np.zeros(power.shape)
    band = np.floor(BANDS * np.log(np.clip(typical, FAINTEST_RESPONSE, 1.0)) / np.log(FAINTEST_RESPONSE))
    for which in np.unique(band[inside]):
        reference[band == which] = np.median(power[inside & (band == which)])
    measured = power > UNMEASURED * reference
    if n := int(np.count_nonzero(inside & ~measured)):
        history.append(
            f"left out {n} of {np.count_nonzero(inside)} cells with next to no noise: no baseline measured them, and "
            "they hold what the deconvolution made up"
        )
    return measured


def _channel_factors(
    name: str, image: np.ndarray, found: np.ndarray, held: np.ndarray, free: np.ndarray, history: list[str]
) -> np.ndarray:
    """Return each channel's variance over that of the channels the noise is from; 1 where the difference is small."""
    sigma = np.array([robust_sigma(plane[~taken]) for plane, taken in zip(image, found, strict=True)])
    source = free if np.count_nonzero(free) >= FEWEST_FREE else held
    if not np.any(sigma[source] > 0):
        raise ContractError(name, "holds no noise: an image of a model, or masked? Give the image as it was restored")
    ratio = sigma / np.sqrt(np.mean(sigma[source] ** 2))
    uneven = held & (sigma > 0) & ((ratio > UNEVEN_CHANNELS) | (ratio < 1.0 / UNEVEN_CHANNELS))
    if uneven.any():
        history.append(
            f"{np.count_nonzero(uneven)} channels have other noise, {ratio[uneven].min():.3g} to "
            f"{ratio[uneven].max():.3g} of the typical one: their variances are scaled by that"
        )
    return np.where(uneven, ratio**2, 1.0)


def _correlation(cube: ImageCube, image: np.ndarray, beside: np.ndarray, history: list[str]) -> float:
    """Return the factor of all variances for noise that channels share."""
    beam = cube.beams[len(cube.beams) // 2]
    area = 2.0 * np.pi * beam.major_arcsec * beam.minor_arcsec / (FWHM_PER_SIGMA * cube.cell_arcsec) ** 2
    found = channel_correlation(image, beside, area)
    if found is None:
        history.append("no two neighbouring channels without line: whether channels share noise is not known")
        return 1.0
    text = f"noise of neighbouring channels correlates by {found.coefficients[0]:+.3f} +/- {found.error:.3f}"
    if found.inflation > 1.0:
        text += (
            f" (further lags: {', '.join(f'{c:+.3f}' for c in found.coefficients[1:]) or 'none'}): variances are "
            f"multiplied by {found.inflation:.3g}, and chi-square per degree of freedom will be lower by that"
        )
        warnings.warn(f"{cube.name}: {text}", GridWarning, stacklevel=3)
    history.append(text)
    return found.inflation


def _check_edges(cube: ImageCube, image: np.ndarray, beside: np.ndarray, history: list[str]) -> None:
    excess = edge_excess(image, beside)
    if excess is None:
        return
    history.append(f"noise at the edges is {excess:.3g} of that at the centre")
    if excess > NOISY_EDGE:
        warnings.warn(
            f"{cube.name}: the noise at the edges is {excess:.3g} times that at the centre, as in an image corrected "
            "for the primary beam: cells of the uv plane then share noise, and its power is that of the whole field. "
            "Take a smaller square (npix), or the uncorrected image with its dish_diameter_m",
            GridWarning,
            stacklevel=3,
        )
