"""Recognition of noiseless models by a short look at a stream."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np

from vis_gridder.stream.source import Block, Source

__all__ = ["is_noise_free"]

FEWEST_CHANNELS = 4
"""Samples that must be exactly alike before a row is said to hold one value; noise never makes so many."""
MOST_BLOCKS = 64
"""Blocks examined: a few seconds at most, for data with suspicious samples only."""
MOST_BASELINES = 64
ROWS_EACH = 12
MOST_ROWS = 2048
"""Rows looked at where baselines are not known."""
RELATIVE_NOISE_LIMIT = 1e-3
"""Fourth differences in time of noise sigma have an rms of sqrt(2 x 70) sigma, so noise stays below this part of the
signal only at 12,000 sigma in a single sample. Rounding and the interpolation of simulators stay below it."""
FEWEST_DIFFERENCES = 30
"""Minimum number of differences; with fewer, chance may make fourth differences smaller than third ones."""
WEAKEST = 1e-6
"""Channels that hold noise are never this much weaker than the strongest one: that would be a signal of a million
sigma in a single sample. The wings of a model's line are."""


def is_noise_free(source: Source) -> bool:
    """Return whether visibilities are free of noise, which only a model's are.

    Noise is what cannot be foretold. Along a track sampled in even steps, a model's differences in time shrink with
    their order wherever phases turn by less than 60 degrees a step, while those of noise grow, the fourth being
    sqrt(70 / 20) times the third. Signal does not hide noise from the fourth difference, as it would from the first.
    Besides, a model is free of noise if a channel is a million times weaker than another, or if most of its spectra
    hold one value. Where none of this shows, the answer is no: data are taken for measurements.

    Exact zeros count for nothing here, since the question is asked because of them.
    """
    look = _Look()
    with closing(_iterator(source)) as blocks:
        for _, block in zip(range(MOST_BLOCKS), blocks, strict=False):
            if look.add(block):
                break
    return look.verdict()


def _iterator(source: Source) -> Any:
    return (block for block in source.blocks())


class _Look:
    """The first rows of the first baselines that hold anything but zeros."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], list[tuple[float, int, np.ndarray]]] = {}

    def add(self, block: Block) -> bool:
        """Keep what is needed of a block; return whether that is enough."""
        good = ~block.flag & (block.weight > 0) & (block.vis != 0)
        low, high = np.minimum(block.antenna1, block.antenna2), np.maximum(block.antenna1, block.antenna2)
        full = 0
        for row in np.flatnonzero(good.any(axis=1)):
            key = (int(low[row]), int(high[row])) if low[row] >= 0 else (-1, -1)
            if key not in self.rows and len(self.rows) >= MOST_BASELINES:
                continue
            kept = self.rows.setdefault(key, [])
            if len(kept) < (ROWS_EACH if key[0] >= 0 else MOST_ROWS):
                conjugated = block.antenna1[row] > block.antenna2[row]
                vis = np.where(good[row], block.vis[row].astype(complex), np.nan)
                kept.append((float(block.time_mjd_s[row]), int(block.scan[row]), vis.conj() if conjugated else vis))
            elif (full := full + 1) >= MOST_BASELINES:
                # Rows come that nobody needs: every baseline that will be looked at is complete, or nearly.
                break
        return bool(self.rows) and all(
            len(kept) >= (ROWS_EACH if key[0] >= 0 else MOST_ROWS) for key, kept in self.rows.items()
        )

    def verdict(self) -> bool:
        """Return whether what was seen is free of noise."""
        if not self.rows:
            return False
        spectra = np.array([vis for kept in self.rows.values() for _, _, vis in kept])
        return _flat(spectra) or _wide_range(spectra) or self._foretold()

    def _foretold(self) -> bool:
        signal = third = fourth = 0.0
        n = 0
        for kept in self.rows.values():
            for first in range(len(kept) - 4):
                times, scans, spectra = zip(*kept[first : first + 5], strict=True)
                step = np.diff(times)
                if len(set(scans)) > 1 or np.ptp(step) > 0.1 * abs(step.mean()):
                    continue
                vis = np.array(spectra)
                vis = vis[:, np.isfinite(vis).all(axis=0)]
                n += vis.shape[1]
                signal += float(np.mean(np.abs(vis) ** 2, axis=0).sum())
                third += float(np.mean(np.abs(np.diff(vis, 3, axis=0)) ** 2, axis=0).sum())
                fourth += float(np.mean(np.abs(np.diff(vis, 4, axis=0)) ** 2, axis=0).sum())
        return n >= FEWEST_DIFFERENCES and (fourth < third or fourth <= RELATIVE_NOISE_LIMIT**2 * signal)


def _flat(spectra: np.ndarray) -> bool:
    """Return whether most rows hold one value in all channels."""
    known = np.isfinite(spectra)
    enough = known.sum(axis=1) >= FEWEST_CHANNELS
    if not enough.any():
        return False
    first = np.take_along_axis(spectra, known.argmax(axis=1)[:, None], axis=1)
    alike = (~known | (spectra == first)).all(axis=1)
    return float(alike[enough].mean()) > 0.5


def _wide_range(spectra: np.ndarray) -> bool:
    """Return whether a channel is weaker than noise would let it be."""
    known = np.isfinite(spectra)
    power = np.where(known, np.abs(spectra) ** 2, 0.0).sum(axis=0)
    power = power[known.any(axis=0)] / known.sum(axis=0)[known.any(axis=0)]
    return bool(power.min() < WEAKEST**2 * power.max())
