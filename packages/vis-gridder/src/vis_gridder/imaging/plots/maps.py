"""Maps for the pictures of gridded data: planes, noise and moments, made a few channels at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label, maximum
from scipy.special import ndtri
from steelyard_schemas import ContractError, GriddedVisibilities, Store

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.gridding.kernel import taper
from vis_gridder.imaging.dirty import Beam, dirty_beam, dirty_cube, fit_beam
from vis_gridder.imaging.line_finder import line_channels
from vis_gridder.imaging.line_sign import line_sign
from vis_gridder.noise.robust import robust_sigma_of_channels
from vis_gridder.spectral.velocity import radio_velocity_kms

__all__ = [
    "Maps",
    "cell_median",
    "channel_noise",
    "full_plane",
    "make_maps",
    "middle_beam",
    "sidelobes",
    "velocity_axis",
]

BLOCK_PIXELS = 2**22
"""Pixels imaged together: about 100 MB at work, however many channels the data have."""
CLIP_SIGMA = 4.0
"""Voxels above count in the first and second moments, where they belong to something detected."""
FALSE_DETECTIONS = 0.01
"""Peaks of noise per data set that are taken for a line."""
SIDELOBES = 0.5
"""Islands whose peak is below this fraction of the highest are taken for sidelobes, which for extended gas add up:
to 0.34 on the VLA snapshot of NGC 5921 and 0.39 on an ALMA mock whose beam alone has 0.15."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Moments of the dirty cube over the channels of a line, or over all where no line is found.

    Attributes:
        integrated: [y, x] moment 0, Jy/beam km/s, corrected for the gridding kernel's taper.
        velocity_kms: [y, x] moment 1, NaN where nothing is detected.
        dispersion_kms: [y, x] moment 2 (its square root), likewise.
        noise_jy: [channel] of the dirty image, Jy/beam, measured in it; NaN for channels without data.
        detection_sigma: a peak must reach so many times the noise of its channel.
        channels: those of the moments.
        channel_kms: width of a channel.
        line: whether they are a line's.

    """

    integrated: np.ndarray
    velocity_kms: np.ndarray
    dispersion_kms: np.ndarray
    noise_jy: np.ndarray
    detection_sigma: float
    channels: range
    channel_kms: float
    line: bool

    @property
    def detected(self) -> np.ndarray:
        """[y, x] where the line is detected."""
        return np.isfinite(self.velocity_kms)


def make_maps(gridded: Store[GriddedVisibilities]) -> Maps:
    """Return moment maps and the noise of each channel.

    Moment 0 sums all channels of the line, so that noise averages out and no flux is cut. Moments 1 and 2 take
    voxels above `CLIP_SIGMA` times the noise, in islands of the sky that hold a peak above `detection_sigma`: the
    height that noise alone, were all voxels independent, passes in one data set of a hundred. The image is dirty,
    so that islands much fainter than the brightest are left out too. Of a line in absorption they are the voxels
    that are as far below zero.
    """
    npix = gridded.manifest.npix
    velocity, _ = velocity_axis(gridded)
    width_kms = _channel_width_kms(gridded)
    found = line_channels(gridded)
    channels = range(velocity.size) if found is None else found
    sign = line_sign(gridded, channels)
    absorbed = -1.0 if sign is not None and sign.net < 0 else 1.0
    # About the middle of the line, so that the second moment does not cancel.
    middle = float(velocity[channels].mean())
    noise = np.full(velocity.size, np.nan)
    total, flux, first, second, highest = np.zeros((5, npix, npix))
    for start, cube in _dirty_blocks(gridded):
        noise[start : start + len(cube)] = robust_sigma_of_channels(cube)
        for channel in set(channels).intersection(range(start, start + len(cube))):
            image = cube[channel - start].astype(float)
            if not np.isfinite(noise[channel]):
                continue
            significance = absorbed * image / noise[channel]
            kept = np.where(significance > CLIP_SIGMA, image, 0.0)
            total += image
            flux += kept
            first += (velocity[channel] - middle) * kept
            second += (velocity[channel] - middle) ** 2 * kept
            np.maximum(highest, significance, out=highest)
    detection_sigma = -float(ndtri(FALSE_DETECTIONS / (npix**2 * len(channels))))
    islands, n_islands = label(highest > CLIP_SIGMA)
    peaks = np.append(0.0, maximum(highest, islands, np.arange(1, n_islands + 1)))
    real = (peaks >= max(detection_sigma, SIDELOBES * peaks.max()))[islands]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(real, first / flux, np.nan)
        dispersion = np.sqrt(np.maximum(second / flux - mean**2, 0.0))
    manifest = gridded.manifest
    return Maps(
        integrated=total * width_kms / taper(npix, manifest.cell_arcsec, manifest.kernel),
        velocity_kms=mean + middle,
        dispersion_kms=dispersion,
        noise_jy=noise,
        detection_sigma=detection_sigma,
        channels=channels,
        channel_kms=width_kms,
        line=found is not None,
    )


def _dirty_blocks(gridded: Store[GriddedVisibilities]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first channel and the dirty images of a few channels at a time, the taper left in: even noise."""
    n_channels = gridded["frequency_hz"].size
    step = max(1, BLOCK_PIXELS // gridded.manifest.npix**2)
    for start in range(0, n_channels, step):
        yield start, dirty_cube(_channels(gridded, slice(start, start + step)), correct_taper=False)


def _channels(gridded: Store[GriddedVisibilities], part: slice) -> Store[GriddedVisibilities]:
    along = [spec.name for spec in gridded.manifest.array_specs() if spec.dims[0] == "channel"]
    return Store(gridded.manifest, dict(gridded.arrays) | {name: gridded[name][part] for name in along})


def velocity_axis(gridded: Store[GriddedVisibilities]) -> tuple[np.ndarray, str]:
    """Return the radio velocity of each channel, km/s, and what to call it.

    Where the rest frequency is not known, velocities are relative to the band's middle.
    """
    sky, frequency = gridded.manifest.observation, gridded["frequency_hz"]
    frame = "" if sky.frequency_frame == "UNKNOWN" else f", {sky.frequency_frame}"
    if sky.rest_frequency_hz is not None:
        return radio_velocity_kms(frequency, sky.rest_frequency_hz), f"velocity, radio{frame} [km/s]"
    return radio_velocity_kms(frequency, float(frequency.mean())), "velocity from the band's middle [km/s]"


def _channel_width_kms(gridded: Store[GriddedVisibilities]) -> float:
    sky, frequency = gridded.manifest.observation, gridded["frequency_hz"]
    return SPEED_OF_LIGHT_KMS * gridded.manifest.channel_width_hz / (sky.rest_frequency_hz or float(frequency.mean()))


def full_plane(half: np.ndarray) -> np.ndarray:
    """Return both halves of a plane [v, u], its origin at [npix // 2, npix // 2], NaN where there is no data.

    Args:
        half: [v, u] as gridded, NaN where there is no data; its values are those of (-u, -v) too.

    """
    npix = half.shape[0]
    plane = np.full((npix, npix), np.nan)
    v, u = np.nonzero(np.isfinite(half))
    plane[-v % npix, -u % npix] = half[v, u]
    plane[v, u] = half[v, u]
    return np.fft.fftshift(plane)


def cell_median(gridded: Store[GriddedVisibilities], name: str) -> np.ndarray:
    """Return an array of the store [v, u], the median over the channels in which a cell holds data; NaN for none."""
    filled = gridded["mask"].any(axis=0)
    values = np.where(gridded["mask"][:, filled], gridded[name][:, filled], np.nan)
    plane = np.full(filled.shape, np.nan)
    plane[filled] = np.nanmedian(values, axis=0)
    return plane


def channel_noise(gridded: Store[GriddedVisibilities]) -> np.ndarray:
    """Return the noise [channel] of the naturally weighted dirty image, Jy/beam, that the cells' variances tell.

    The image is sum W Re(V exp(...)) / sum W, so its variance is sum W^2 s / (sum W)^2, s that of a cell. Were s
    known, W = 1 / s would give 1 / sum W; but W = 1 / s' has s' measured with nu degrees of freedom, and cells whose
    noise came out too small count too much: E(W^2 s) = E(W) nu / (nu - 4), from the moments of the inverse
    chi-square distribution. (That needs nu > 4; the factor is held at nu below 5.)
    """
    noise = np.full(gridded["frequency_hz"].size, np.nan)
    for channel, mask in enumerate(gridded["mask"]):
        if mask.any():
            weight = 1.0 / gridded["variance"][channel][mask].astype(float)
            nu = gridded["dof"][channel][mask].astype(float)
            noise[channel] = np.sqrt((weight * nu / np.maximum(nu - 4.0, 1.0)).sum()) / weight.sum()
    return noise


def middle_beam(gridded: Store[GriddedVisibilities]) -> tuple[np.ndarray, Beam | None]:
    """Return the dirty beam [y, x] of the channel in the middle of those with data, and the Gaussian fitted to it.

    The Gaussian is None where pixels are too coarse for one.

    Raises:
        ContractError: no channel holds data.

    """
    full = np.flatnonzero(gridded["mask"].any(axis=(1, 2)))
    if full.size == 0:
        raise ContractError(gridded.manifest.source, "holds no data in any cell; look at its flags")
    channel = int(full[full.size // 2])
    image = dirty_beam(_channels(gridded, slice(channel, channel + 1)))[0]
    try:
        return image, fit_beam(image, gridded.manifest.cell_arcsec)
    except ContractError:
        return image, None


def sidelobes(image: np.ndarray, beam: Beam, cell_arcsec: float) -> tuple[float, float]:
    """Return the lowest and the highest value of a dirty beam [y, x] more than one full width from its centre."""
    offset = (np.arange(image.shape[0]) - image.shape[0] // 2) * cell_arcsec
    pa = np.radians(beam.pa_deg)
    along = offset[None, :] * np.sin(pa) + offset[:, None] * np.cos(pa)
    across = offset[None, :] * np.cos(pa) - offset[:, None] * np.sin(pa)
    beyond = image[np.hypot(along / beam.major_arcsec, across / beam.minor_arcsec) > 1.0]
    return (float(beyond.min()), float(beyond.max())) if beyond.size else (0.0, 0.0)
