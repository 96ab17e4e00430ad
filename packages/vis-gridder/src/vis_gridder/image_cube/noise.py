"""Noise of an image cube: line-free pixels, power in the uv plane, correlation between channels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from vis_gridder.imaging.dirty import FWHM_PER_SIGMA, Beam
from vis_gridder.noise.robust import robust_sigma

__all__ = [
    "Correlation",
    "Signal",
    "beam_response",
    "channel_correlation",
    "edge_excess",
    "line_free",
    "power_beside_signal",
    "power_of_channels",
    "signal",
]

DETECTED = 5.0
"""Detection threshold of a voxel, sigma, either sign; noise alone exceeds it once in 15 cubes of 1e5 beams."""
BROAD = 3.0
"""Width in beams of the smoothing that reveals wide, faint lines."""
SMOOTHED_CHANNELS = 3
FEWEST_DOF = 20.0
"""Minimum degrees of freedom of a cell's variance: at nu = 20 a Student t keeps (nu + 2) / (nu + 4) = 92 % of the
Fisher information."""
LAG_WINDOW_BEAMS = 3.0
"""Half width of the lag window, where the power is measured beside the signal."""
SIGNIFICANT = 3.0
SMALLEST_CORRELATION = 0.05
LARGEST_LAG = 3


class Signal(NamedTuple):
    """Voxels that hold a line, [channel, y, x] bool, and the highest peaks of either sign, [channel]."""

    emission: np.ndarray
    """Detected voxels of positive sign, dilated by a beam."""
    absorption: np.ndarray
    positive_sigma: np.ndarray
    """Highest voxel in units of the noise, over all smoothings."""
    negative_sigma: np.ndarray
    """Depth of the lowest voxel, likewise; positive."""

    @property
    def anywhere(self) -> np.ndarray:
        """[channel, y, x] where there is emission or absorption."""
        return self.emission | self.absorption


def signal(image: np.ndarray, beam_pixels: float) -> Signal:
    """Find the voxels that hold emission or absorption.

    Four looks: each channel and the mean of three, at the cube's resolution and smoothed to `BROAD` beams.

    Args:
        image: [channel, y, x]; blank channels 0.
        beam_pixels: major axis of the beam, FWHM.

    """
    above, below = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    highest, lowest = np.zeros(image.shape[0]), np.zeros(image.shape[0])
    wide = ndimage.gaussian_filter(image, (0, *(2 * [BROAD * beam_pixels / FWHM_PER_SIGMA])), mode="constant")
    for look in (image, wide):
        for channels in (1, SMOOTHED_CHANNELS):
            smooth = ndimage.uniform_filter1d(look, channels, axis=0, mode="constant")
            sigma = robust_sigma(smooth[np.any(smooth != 0, axis=(1, 2))])
            above |= smooth > DETECTED * sigma
            below |= smooth < -DETECTED * sigma
            if sigma > 0:
                highest = np.maximum(highest, smooth.max(axis=(1, 2)) / sigma)
                lowest = np.maximum(lowest, -smooth.min(axis=(1, 2)) / sigma)
    reach = max(1, round(beam_pixels))
    box = np.ones((1, 2 * reach + 1, 2 * reach + 1), bool)
    emission, absorption = (ndimage.binary_dilation(found, box) if found.any() else found for found in (above, below))
    return Signal(emission, absorption, highest, lowest)


def line_free(found: np.ndarray) -> np.ndarray:
    """Return the channels outside the first and last with signal, [channel].

    The mean of three channels in `signal` spreads bright edges of a line to the channel beside.
    """
    free = np.ones(found.shape[0], bool)
    lit = np.flatnonzero(found.any(axis=(1, 2)))
    if lit.size:
        free[lit[0] : lit[-1] + 1] = False
    return free


def power_of_channels(power: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the noise power of each cell from channels without line, its degrees of freedom, and the box's side.

    A periodogram's ordinates are independent with the power as their mean (as real and imaginary part: 2 degrees of
    freedom a channel). Where the channels are too few for `FEWEST_DOF`, the mean is taken over 3 x 3 cells; the
    power is that over the beam's, which varies slowly.

    Args:
        power: [channel, v, u] |V|^2 of the half plane, v in the order of `fftfreq`.
        usable: [v, u] cells to take, none the conjugate of another.

    """
    total = np.where(usable, power.sum(axis=0), 0.0)
    n = np.where(usable, float(power.shape[0]), 0.0)
    side = 1
    if 2.0 * power.shape[0] < FEWEST_DOF:
        side = 3
        box = np.ones((3, 3))
        # v wraps around; u does not, and what lies beyond u = 0 is on the half plane already.
        total, n = (ndimage.convolve(np.pad(np.fft.fftshift(a, axes=0), 1), box)[1:-1, 1:-1] for a in (total, n))
        total, n = (np.fft.ifftshift(a, axes=0) for a in (total, n))
    mean = np.divide(total, n, out=np.zeros_like(total), where=n > 0)
    return mean, 2.0 * n, side


def power_beside_signal(image: np.ndarray, found: np.ndarray, beam_pixels: float) -> tuple[np.ndarray, float]:
    """Return the noise power |FT|^2 of a channel, half plane [v, u], from pixels beside the signal, and its dof.

    The autocovariance is the sum of products of pixel pairs over their number, cut by a Gaussian lag window; its
    transform is the power (Blackman & Tukey 1958), smoothed over as many cells as the window leaves out lags.

    Args:
        image: [channel, y, x] of an even or odd square; blank channels 0.
        found: [channel, y, x] where there is a line, or nothing.
        beam_pixels: major axis of the beam, FWHM.

    """
    npix = image.shape[-1]
    padded = (2 * npix, 2 * npix)
    products, pairs = np.zeros(padded), np.zeros(padded)
    n_off = 0
    for plane, taken in zip(image, found, strict=True):
        beside = ~taken
        n_off += int(np.count_nonzero(beside))
        products += np.fft.irfft2(np.abs(np.fft.rfft2(np.where(beside, plane, 0.0), padded)) ** 2, padded)
        pairs += np.fft.irfft2(np.abs(np.fft.rfft2(beside.astype(float), padded)) ** 2, padded)
    covariance = np.divide(products, pairs, out=np.zeros(padded), where=pairs > 0.5)
    lag = np.minimum(np.arange(2 * npix), 2 * npix - np.arange(2 * npix))
    window = np.exp(-0.5 * (lag / (LAG_WINDOW_BEAMS * beam_pixels)) ** 2)
    covariance *= np.outer(window, window)
    # The grid of twice the field holds each cell of the data's grid as every second one.
    power = np.fft.rfft2(covariance).real[::2, ::2] * npix**2
    # Noise in the windowed power may push faint cells below zero.
    smallest = 1e-6 * float(power.max())
    return np.maximum(power, smallest), 2.0 * n_off / max(float(np.sum(window**2)) ** 2, 1.0)


class Correlation(NamedTuple):
    """Correlation of the noise between channels."""

    coefficients: tuple[float, ...]
    """Correlation at lags 1, 2, ... as far as it is significant; lag 1 always."""
    error: float
    inflation: float
    """1 + 2 sum of the significant coefficients: variance of a mean of channels over that of independent ones."""


def channel_correlation(image: np.ndarray, beside: np.ndarray, beam_area_pixels: float) -> Correlation | None:
    """Measure the correlation of channels from pixels without signal; None where no two neighbours have any.

    Args:
        image: [channel, y, x].
        beside: [channel, y, x] true where there is nothing but noise.
        beam_area_pixels: solid angle of the beam; as many pixels share one value of noise.

    """
    noise = np.where(beside, image, 0.0)
    variance = float(np.sum(noise**2)) / max(int(np.count_nonzero(beside)), 1)
    found: list[float] = []
    first_error, inflation = 0.0, 1.0
    for lag in range(1, min(LARGEST_LAG, image.shape[0] - 1) + 1):
        n = int(np.count_nonzero(beside[lag:] & beside[:-lag]))
        if n == 0 or variance == 0:
            break
        value = float(np.sum(noise[lag:] * noise[:-lag])) / n / variance
        error = float(np.sqrt(beam_area_pixels / n))
        first_error = first_error or error
        real = value > max(SIGNIFICANT * error, SMALLEST_CORRELATION)
        if lag == 1 or real:
            found.append(value)
        if not real:
            break
        inflation += 2.0 * value
    return Correlation(tuple(found), first_error, inflation) if found else None


def edge_excess(image: np.ndarray, beside: np.ndarray) -> float | None:
    """Return the noise in the outer quarter of the square over that in its inner quarter, of pixels without signal.

    Args:
        image: [channel, y, x].
        beside: [channel, y, x] true where there is nothing but noise.

    """
    npix = image.shape[-1]
    offset = np.abs(np.arange(npix) - npix // 2)
    distance = np.maximum.outer(offset, offset)
    inner, outer = distance < 0.25 * npix, distance > 0.43 * npix
    inside, outside = (robust_sigma(image[beside & region]) for region in (inner, outer))
    return outside / inside if inside > 0 and outside > 0 else None


def beam_response(beam: Beam, u_per_arcsec: np.ndarray, v_per_arcsec: np.ndarray) -> np.ndarray:
    """Return the transform of a Gaussian beam of unit integral, [v, u].

    exp(-2 pi^2 (s_major^2 w_major^2 + s_minor^2 w_minor^2)), w the components of (u, v) along its axes.

    Args:
        beam: full widths at half maximum; position angle from north through east.
        u_per_arcsec: [u] spatial frequency, cycles per arcsec.
        v_per_arcsec: [v].

    """
    v, u = np.meshgrid(v_per_arcsec, u_per_arcsec, indexing="ij")
    angle = np.radians(beam.pa_deg)
    along, across = u * np.sin(angle) + v * np.cos(angle), u * np.cos(angle) - v * np.sin(angle)
    s_major, s_minor = beam.major_arcsec / FWHM_PER_SIGMA, beam.minor_arcsec / FWHM_PER_SIGMA
    return np.exp(-2.0 * np.pi**2 * ((s_major * along) ** 2 + (s_minor * across) ** 2))
