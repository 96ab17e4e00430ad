"""Whether a line is seen in emission or in absorption, asked of the dirty images of its channels."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.lines import line_channels
from vis_gridder.moments import robust_noise

__all__ = ["LineSign", "Sign", "line_sign", "sign_of_peaks"]

Sign = Literal["emission", "absorption", "emission and absorption", "undecided"]

FALSE_ALARM = 1e-3
"""How often noise alone may pass for a peak, all pixels of all looks taken together."""
SIDELOBES = 0.5
"""A peak fainter than this share of the opposite one in the same look may be its sidelobe. Those of extended gas add
up, to 0.34 on the VLA snapshot of NGC 5921 and 0.39 on an ALMA mock."""
SMOOTHING = 3
"""Channels in a look: a line that is narrower is seen all the same."""
ENOUGH_FREE = 0.5
"""Channels without line, as a share of those with line, from which the continuum is subtracted: fewer add noise."""


class LineSign(NamedTuple):
    """The sign of a line, and its highest peaks either way over the noise of their look."""

    kind: Sign
    """By the peaks of all looks; undecided where none stands out."""
    net: Literal[-1, 0, 1]
    """Sign of the highest peak, of either sign, of the velocity-integrated line; 0 where none stands out."""
    emission_sigma: float
    absorption_sigma: float
    """Positive: the depth."""


def line_sign(gridded: Store[GriddedVisibilities], channels: range | None = None) -> LineSign | None:
    """Tell whether a line is emission or absorption; None where there is no line.

    Dirty images are made of every three neighbouring channels of the line and of the line as a whole, less the mean
    of the channels beside it. A look holds emission where its highest pixel stands out of the noise and reaches half
    the depth of its lowest one, and absorption the other way round: what is fainter may be a sidelobe. The highest
    peak of a single bright source and its negative sidelobes, at most half as deep, are therefore emission alone.

    Args:
        gridded: cell means and their variance.
        channels: of the line; those of `line_channels` if None.

    """
    found = line_channels(gridded) if channels is None else channels
    if found is None or len(found) == 0:
        return None
    weight, weighted, seen = _sums(gridded)
    free = np.ones(weight.shape[0], bool)
    free[found.start : found.stop] = False
    subtract = np.count_nonzero(free) >= max(2, ENOUGH_FREE * len(found))
    size = min(SMOOTHING, len(found))
    looks = [range(first, first + size) for first in range(found.start, found.stop - size + 1)]
    peaks = []
    for look in (found, *looks):
        inside = slice(look.start, look.stop)
        total, mean = weight[inside].sum(axis=0), weighted[inside].sum(axis=0)
        variance, mean = _over(1.0, total), mean * _over(1.0, total)
        held = total > 0
        if subtract:
            beside = weight[free].sum(axis=0)
            held &= beside > 0
            variance = variance + _over(1.0, beside)
            mean = mean - weighted[free].sum(axis=0) * _over(1.0, beside)
        peaks.append(_peaks(gridded.manifest.npix, seen, held, mean, variance))
    positive, negative = np.array(peaks).T
    limit = -float(ndtri(FALSE_ALARM / (2.0 * gridded.manifest.npix**2 * len(peaks))))
    whole = positive[0] if positive[0] >= negative[0] else -negative[0]
    return LineSign(
        kind=sign_of_peaks(positive, negative, limit=limit, sidelobes=SIDELOBES),
        net=0 if abs(whole) <= limit else (1 if whole > 0 else -1),
        emission_sigma=float(positive.max()),
        absorption_sigma=float(negative.max()),
    )


def sign_of_peaks(positive: np.ndarray, negative: np.ndarray, *, limit: float, sidelobes: float) -> Sign:
    """Return the sign of a line from the highest pixel and the depth of the lowest one in each look, [look].

    Args:
        positive: over the noise.
        negative: over the noise, positive where the pixel is negative.
        limit: above which a peak is no noise.
        sidelobes: share of the opposite peak in the same look below which a peak may be its sidelobe.

    """
    emission = bool(np.any((positive > limit) & (positive > sidelobes * negative)))
    absorption = bool(np.any((negative > limit) & (negative > sidelobes * positive)))
    if emission:
        return "emission and absorption" if absorption else "emission"
    return "absorption" if absorption else "undecided"


def _sums(gridded: Store[GriddedVisibilities]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weight and the weighted mean [channel, cell] of cells with data, and where these are [v, u]."""
    seen = gridded["mask"].any(axis=0)
    variance = gridded["variance"][:, seen].astype(float)
    weight = np.divide(1.0, variance, out=np.zeros_like(variance), where=gridded["mask"][:, seen])
    return weight, weight * gridded["mean"][:, seen], seen


def _over(one: float, total: np.ndarray) -> np.ndarray:
    return np.divide(one, total, out=np.zeros_like(total), where=total > 0)


def _peaks(
    npix: int, seen: np.ndarray, held: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[float, float]:
    """Return the highest pixel of a dirty image and the depth of its lowest, over its noise."""
    weight = np.divide(1.0, variance, out=np.zeros_like(variance), where=held)
    if not weight.any():
        return 0.0, 0.0
    plane = np.zeros(seen.shape, complex)
    plane[seen] = (weight * mean).conj()
    plane[:, 0] *= 2.0  # see `dirty_cube`
    image = np.fft.irfft2(plane, s=(npix, npix)) * (npix**2 / 2.0) / weight.sum()
    # Where variances are measured on few samples, the image is noisier than they say.
    noise = max(float(1.0 / np.sqrt(weight.sum())), float(robust_noise(image[None])[0]))
    return max(float(image.max()) / noise, 0.0), max(-float(image.min()) / noise, 0.0)
