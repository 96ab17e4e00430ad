"""Samples that no receiver measures: exact zeros, fill values, and spectra that a hung correlator repeats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from steelyard_schemas import ContractError

from vis_gridder.constants import LARGEST_JY
from vis_gridder.stream.baselines import Baselines
from vis_gridder.stream.history import DataWarning
from vis_gridder.stream.noise_free import FEWEST_CHANNELS, is_noise_free
from vis_gridder.stream.source import Block, Source
from vis_gridder.stream.step import with_step

__all__ = ["measured_only"]

WORTH_WARNING = 0.01
"""Fraction of the good samples above which a warning is given; smaller faults are in the history only."""
N_WITNESSES = 8
"""Channels of a row that are compared with the row before; together they are never alike by chance."""


def measured_only(source: Source) -> Source:
    """Return a source without the samples that no receiver measures; they are flagged and counted.

    A dead correlator host writes exact zeros, a hung one the same spectrum again and again or one value in all
    channels; noise makes neither. Taken for measurements they lower the flux and the noise. A model without noise
    may hold all of these rightly: zeros in channels without line, repeats where the sky is a point at the phase
    centre. So where such samples turn up, and only there, a short look at the data decides which of the two they
    are (`is_noise_free`). Structure alone cannot: a channel of zeros on all baselines is a model's line-free channel
    or a correlator's dead one. Values beyond LARGEST_JY are left out of models too.

    Counts and what was decided go to the history at the end of the first pass, with a DataWarning if more than a
    hundredth of the samples are concerned.

    Raises:
        ContractError: as a pass ends, where no sample is left.

    """
    told = False
    noise_free: bool | None = None

    def step(blocks: Iterator[Block], notes: list[str]) -> Iterator[Block]:
        nonlocal told, noise_free
        tally = _Tally(source.frequency_hz.size)
        for block in blocks:
            found = tally.look(block)
            if found.any():
                if noise_free is None:
                    noise_free = is_noise_free(source)
                block = tally.without(block, found, keep=bool(noise_free))
            yield block
        if tally.n_good and tally.n_good == tally.n_lost:
            raise ContractError(
                source.name, "holds exact zeros and values that no receiver measures, nothing else; export it again"
            )
        notes.extend(line for line in tally.notes(kept=bool(noise_free)) if line not in source.history)
        if not told:
            told = True
            tally.warn(source.name)

    return with_step(source, step, [])


class _Found(NamedTuple):
    """Suspicious samples of a block: number of zeros and values beyond bounds, rows that hold one value or repeat."""

    n_samples: int
    constant: np.ndarray
    repeated: np.ndarray

    def any(self) -> bool:
        """Return whether anything is."""
        return bool(self.n_samples or self.constant.any() or self.repeated.any())


class _Tally:
    """Counts over one pass, and the witnesses of each baseline's last row."""

    def __init__(self, n_channels: int) -> None:
        self.baselines = Baselines()
        self.witnesses = np.unique(np.linspace(0, n_channels - 1, N_WITNESSES).astype(np.int64))
        self.last = np.zeros((0, 2 * self.witnesses.size), np.uint32)
        self.n_good = self.n_lost = self.n_zero = self.n_fill = self.n_constant = self.n_repeated = 0

    def look(self, block: Block) -> _Found:
        """Return what is odd about a block."""
        slot = self.baselines.slots(block)
        if self.last.shape[0] < self.baselines.n:
            more = np.zeros((2 * self.baselines.n - self.last.shape[0], self.last.shape[1]), np.uint32)
            self.last = np.concatenate([self.last, more])
        constant, repeated = np.zeros((2, slot.size), bool)
        bits = np.ascontiguousarray(block.vis).view(np.uint32)
        beyond = np.float32(LARGEST_JY).view(np.uint32)
        n_good, n_odd = _look(bits, block.flag, slot, self.witnesses, self.last, constant, repeated, beyond)
        self.n_good += n_good
        return _Found(n_odd, constant, repeated)

    def without(self, block: Block, found: _Found, *, keep: bool) -> Block:
        """Return the block without what no receiver measures; `keep` leaves in it what a model may hold."""
        good = ~block.flag
        with np.errstate(over="ignore", invalid="ignore"):
            fill = good & ~((np.abs(block.vis.real) < LARGEST_JY) & (np.abs(block.vis.imag) < LARGEST_JY))
        zero = good & (block.vis == 0)
        repeated = found.repeated & ~found.constant
        self.n_zero += int(np.count_nonzero(zero))
        self.n_fill += int(np.count_nonzero(fill))
        self.n_constant += int(np.count_nonzero(found.constant))
        self.n_repeated += int(np.count_nonzero(repeated))
        lost = fill if keep else fill | zero | (good & (found.constant | repeated)[:, None])
        self.n_lost += int(np.count_nonzero(lost))
        return block._replace(flag=block.flag | lost, weight=np.where(lost, np.float32(0.0), block.weight))

    def notes(self, *, kept: bool) -> list[str]:
        """Return the lines of history."""
        counts = {
            f"{self.n_zero} of {self.n_good} samples that are exactly zero": self.n_zero,
            f"{self.n_repeated} rows that repeat the integration before them exactly": self.n_repeated,
            f"{self.n_constant} rows of one value in all channels": self.n_constant,
        }
        found = ", ".join(text for text, count in counts.items() if count)
        lines = [f"flagged {self.n_fill} samples beyond {LARGEST_JY:g} Jy, which are fill values"] * bool(self.n_fill)
        if found and kept:
            lines.append(
                f"assumed a model without noise, as its smoothness shows: kept {found}; flag them in the file if not"
            )
        elif found:
            lines.append(f"flagged {found}: no receiver measures such")
        return lines

    def warn(self, name: str) -> None:
        """Warn where much is lost."""
        if self.n_lost > WORTH_WARNING * self.n_good:
            what = "; ".join(self.notes(kept=False))
            share = 100 * self.n_lost / self.n_good
            warnings.warn(
                f"{name}: {what} ({share:.2g} % of the data); look for a dead or hung part of the correlator",
                DataWarning,
                stacklevel=2,
            )


@njit(cache=True, nogil=True)
def _look(
    bits: np.ndarray,
    flag: np.ndarray,
    slot: np.ndarray,
    witnesses: np.ndarray,
    last: np.ndarray,
    constant: np.ndarray,
    repeated: np.ndarray,
    beyond: np.uint32,
) -> tuple[int, int]:
    """Mark odd rows and keep each row's witnesses in `last`; return how many samples are good, and zero or beyond.

    Args:
        bits: [row, 2 * channel] real and imaginary parts by turns, as the bits of float32.
        flag: [row, channel].
        slot: [row] the baseline, or -1.
        witnesses: [witness] channels.
        last: [slot, 2 * witness] bits of each baseline's last row.
        constant: [row] set where all good samples are alike.
        repeated: [row] set where the witnesses are those of the last row.
        beyond: bits of the least value that is beyond all bounds.

    """
    n_good = 0
    n_odd = 0
    for row in range(flag.shape[0]):
        good, odd = _count(bits[row], flag[row], beyond)
        n_good += good
        n_odd += odd
        if good >= FEWEST_CHANNELS and odd < good:
            constant[row] = _one_value(bits[row], flag[row])
            if slot[row] >= 0:
                repeated[row] = _repeats(bits[row], flag[row], witnesses, last[slot[row]])
    return n_good, n_odd


@njit(cache=True, nogil=True)
def _count(bits: np.ndarray, flag: np.ndarray, beyond: np.uint32) -> tuple[int, int]:
    """Count good samples, and those of them that are zero or beyond bounds.

    Positive floats are in the order of their bits. Less one, zero becomes the largest, so that one comparison of the
    larger part finds both; the compiler makes vector instructions of it.
    """
    good = np.uint32(0)
    odd = np.uint32(0)
    for k in range(flag.size):
        re = bits[2 * k] & np.uint32(0x7FFFFFFF)
        im = bits[2 * k + 1] & np.uint32(0x7FFFFFFF)
        here = np.uint32(0) if flag[k] else np.uint32(1)
        good += here
        odd += here if np.uint32(max(re, im) - np.uint32(1)) >= np.uint32(beyond - np.uint32(1)) else np.uint32(0)
    return int(good), int(odd)


@njit(cache=True, nogil=True)
def _one_value(bits: np.ndarray, flag: np.ndarray) -> bool:
    """Return whether all good samples, which are not all zero, are alike; nearly always answered by the first two."""
    first = -1
    for k in range(flag.size):
        if flag[k]:
            continue
        if first < 0:
            first = k
        elif bits[2 * k] != bits[2 * first] or bits[2 * k + 1] != bits[2 * first + 1]:
            return False
    return True


@njit(cache=True, nogil=True)
def _repeats(bits: np.ndarray, flag: np.ndarray, witnesses: np.ndarray, last: np.ndarray) -> bool:
    """Return whether the witnesses equal those of the baseline's last row, and store them there."""
    alike = 0
    others = 0
    for i in range(witnesses.size):
        k = witnesses[i]
        re, im = bits[2 * k], bits[2 * k + 1]
        if flag[k] or (re | im) & np.uint32(0x7FFFFFFF) == 0:
            continue
        if re == last[2 * i] and im == last[2 * i + 1]:
            alike += 1
        else:
            others += 1
        last[2 * i], last[2 * i + 1] = re, im
    return others == 0 and alike >= FEWEST_CHANNELS
