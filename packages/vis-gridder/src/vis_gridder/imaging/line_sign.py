"""Sign of a line, emission or absorption, from the dirty images of its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri
from steelyard_schemas import GriddedVisibilities, Store

from vis_gridder.imaging.line_finder import line_channels
from vis_gridder.noise.robust import robust_sigma_of_channels

__all__ = ["LineSign", "Sign", "line_sign", "sign_of_peaks"]

Sign = Literal["emission", "absorption", "emission and absorption", "undecided"]

FALSE_ALARM = 1e-3
"""False-alarm probability of a peak, over all pixels of all looks."""
SIDELOBES = 0.5
"""A peak fainter than this share of the opposite one in the same look may be its sidelobe. Those of extended gas add
up, to 0.34 on the VLA snapshot of NGC 5921 and 0.39 on an ALMA mock."""
NOISE_PEAK = 3.0
"""Sigma by which noise may deepen a sidelobe."""
SMOOTHING = 3
"""Channels in a look: a line that is narrower is seen all the same."""
ENOUGH_FREE = 0.5
"""Channels without line, as a share of those with line, from which the continuum is subtracted: fewer add noise."""


class LineSign(NamedTuple):
    """The sign of a line, and its highest peaks either way over the noise of their look."""

    kind: Sign
    """Sign from the peaks of all looks; undecided where none stands out."""
    net: Literal[-1, 0, 1]
    """Sign of the line; if seen in both, that of the stronger peak of the integrated line; 0 if undecided."""
    emission_sigma: float
    absorption_sigma: float
    """Positive: the depth."""


def line_sign(gridded: Store[GriddedVisibilities], channels: range | None = None) -> LineSign | None:
    """Return the sign of a line, emission or absorption; None where there is no line.

    Dirty images are made of every three neighbouring channels of the line and of the line as a whole, less the mean
    of the channels beside it. A look holds emission where its highest pixel stands out of the noise and reaches half
    the depth of its lowest one and three times the noise, and absorption the other way round: what is fainter may be
    a sidelobe. A bright source with its negative sidelobes, at most half as deep, is therefore emission alone; so is
    one with absorption that is fainter than that in the same channels.

    Args:
        gridded: cell means and their variance.
        channels: channels of the line; those of `line_channels` if None.

    """
    found = line_channels(gridded) if channels is None else channels
    if found is None or len(found) == 0:
        return None
    seen = gridded["mask"].any(axis=0)
    free = [channel for channel in range(gridded["mask"].shape[0]) if channel not in found]
    subtract = len(free) >= max(2, ENOUGH_FREE * len(found))
    beside = _Sum.of(gridded, seen, free) if subtract else None
    whole = _Sum.of(gridded, seen, [])
    window: list[_Sum] = []
    peaks = []
    for channel in found:
        window = [*window, _Sum.of(gridded, seen, [channel])][-SMOOTHING:]
        whole = whole + window[-1]
        if len(window) == min(SMOOTHING, len(found)):
            peaks.append(_peaks(gridded.manifest.npix, seen, sum(window[1:], window[0]), beside))
    peaks.insert(0, _peaks(gridded.manifest.npix, seen, whole, beside))
    positive, negative = np.array(peaks).T
    limit = -float(ndtri(FALSE_ALARM / (2.0 * gridded.manifest.npix**2 * len(peaks))))
    kind = sign_of_peaks(positive, negative, limit=limit, sidelobes=SIDELOBES)
    stronger: Literal[-1, 1] = 1 if positive[0] >= negative[0] else -1
    net: dict[Sign, Literal[-1, 0, 1]] = {"emission": 1, "absorption": -1, "emission and absorption": stronger}
    return LineSign(
        kind=kind,
        net=net.get(kind, 0),
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
    emission = bool(np.any(positive > np.maximum(limit, sidelobes * negative + NOISE_PEAK)))
    absorption = bool(np.any(negative > np.maximum(limit, sidelobes * positive + NOISE_PEAK)))
    if emission:
        return "emission and absorption" if absorption else "emission"
    return "absorption" if absorption else "undecided"


@dataclass(frozen=True, eq=False)
class _Sum:
    """Weights and weighted means of some channels, summed, in the cells that hold data, [cell]."""

    weight: np.ndarray
    weighted: np.ndarray

    @staticmethod
    def of(gridded: Store[GriddedVisibilities], seen: np.ndarray, channels: Sequence[int]) -> _Sum:
        """Sum channels, one after the other: a cube of them may be larger than memory."""
        total = _Sum(np.zeros(np.count_nonzero(seen)), np.zeros(np.count_nonzero(seen), complex))
        for channel in channels:
            weight = _inverse(gridded["variance"][channel][seen].astype(float), gridded["mask"][channel][seen])
            total = total + _Sum(weight, weight * gridded["mean"][channel][seen])
        return total

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.weight + other.weight, self.weighted + other.weighted)

    @property
    def mean(self) -> np.ndarray:
        return self.weighted * self.variance

    @property
    def variance(self) -> np.ndarray:
        """Zero where there are no data."""
        return _inverse(self.weight, self.weight > 0)


def _inverse(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.divide(1.0, values, out=np.zeros_like(values), where=where)


def _peaks(npix: int, seen: np.ndarray, look: _Sum, beside: _Sum | None) -> tuple[float, float]:
    """Return the highest pixel of a dirty image and the depth of its lowest, over its noise."""
    held, mean, variance = look.weight > 0, look.mean, look.variance
    if beside is not None:
        held &= beside.weight > 0
        mean, variance = mean - beside.mean, variance + beside.variance
    weight = _inverse(variance, held)
    if not weight.any():
        return 0.0, 0.0
    plane = np.zeros(seen.shape, complex)
    plane[seen] = (weight * mean).conj()
    plane[:, 0] *= 2.0  # see `dirty_cube`
    image = np.fft.irfft2(plane, s=(npix, npix)) * (npix**2 / 2.0) / weight.sum()
    # Where variances are measured on few samples, the image is noisier than they say.
    noise = max(float(1.0 / np.sqrt(weight.sum())), float(robust_sigma_of_channels(image[None])[0]))
    return max(float(image.max()) / noise, 0.0), max(-float(image.min()) / noise, 0.0)
