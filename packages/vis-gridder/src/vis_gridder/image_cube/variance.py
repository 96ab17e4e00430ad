"""The variance of each uv cell of an image cube, and warnings about noise that it cannot express."""

from __future__ import annotations

import warnings

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.gridding.grid import GridWarning
from vis_gridder.image_cube.fits.open import ImageCube
from vis_gridder.image_cube.line import FEWEST_FREE
from vis_gridder.image_cube.noise import (
    Signal,
    channel_correlation,
    edge_excess,
    power_beside_signal,
    power_of_channels,
)
from vis_gridder.image_cube.uv_cells import FAINTEST_RESPONSE, ImageCells, half_plane
from vis_gridder.imaging.dirty import FWHM_PER_SIGMA
from vis_gridder.noise.robust import robust_sigma

__all__ = ["cell_noise"]

UNMEASURED = 0.05
"""Fraction of the noise power at similar baselines below which a cell is unmeasured: the deconvolution filled it."""
BANDS = 5
NOISY_EDGE = 1.3
UNEVEN_CHANNELS = 1.25
"""Ratio of a channel's noise to the typical one above which its variance is scaled; smaller ratios are chance."""


def cell_noise(
    cube: ImageCube,
    image: np.ndarray,
    mean: np.ndarray,
    cells: ImageCells,
    found: Signal,
    held: np.ndarray,
    free: np.ndarray,
    history: list[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the variance [channel, v, u] of the cells, its degrees of freedom, and which cells were measured.

    Args:
        cube: as read.
        image: [channel, y, x] its square; blank channels 0.
        mean: [channel, v, u] transform of the image over that of the beam.
        cells: cells of the uv plane.
        found: where there is a line.
        held: [channel] whether there are data.
        free: [channel] whether there is no line.
        history: lines are added about where the noise is from.

    Raises:
        ContractError: the image holds no noise.

    Warns:
        GridWarning: the noise rises towards the edges, or channels share noise.

    """
    n_free = int(np.count_nonzero(free))
    if n_free >= FEWEST_FREE:
        # Over one response, so that channels with other beams have the same noise.
        raw = np.abs(mean[free] * cells.response[free] / cells.typical) ** 2
        power, dof, side = power_of_channels(raw, cells.inside.all(axis=0))
        history.append(
            f"noise power of each uv cell from {n_free} channels without line"
            + (f", averaged over {side} x {side} cells" if side > 1 else "")
        )
        beside = np.broadcast_to(free[:, None, None], image.shape)
    else:
        taken = found.anywhere
        beside = ~taken & held[:, None, None]
        major = max(beam.major_arcsec for beam, some in zip(cube.beams, held, strict=True) if some)
        raw_power, one_dof = power_beside_signal(image[held], taken[held], major / cube.cell_arcsec)
        power = half_plane(raw_power, cells.npix) / cells.typical**2
        dof = np.full(power.shape, one_dof)
        history.append("no two channels are free of line: noise power from the pixels beside the line, smoothed")
    inside = cells.inside & _measured(power, cells.typical, cells.inside.all(axis=0), history)
    factor = _channel_factors(cube.name, image, found.anywhere, held, free, history)
    inflation = _correlation(cube, image, beside, history)
    _check_edges(cube, image, beside, history)
    return 0.5 * inflation * power * (cells.typical / cells.response) ** 2 * factor[:, None, None], dof, inside


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
        warnings.warn(f"{cube.name}: {text}", GridWarning, stacklevel=5)
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
            stacklevel=5,
        )
