"""Antennas and scans that cause scatter within cells beyond the noise, found by reading the data again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.gridding.spec import GridSpec
from vis_gridder.noise.groups import GroupNumbering
from vis_gridder.noise.result import Noise
from vis_gridder.stream.source import Block, Source

__all__ = ["Account", "account_for_scatter"]

MOST_CHANNELS = 8
"""Channels examined, spread over the band: calibration errors affect all channels alike."""
MOST_NAMED = 5
FEW = 0.25
"""Largest fraction of the antennas (or scans) that may be named; one always may."""
STANDS_OUT = 2.0
"""Ratio of the scatter removed by leaving out an antenna (scan) to the median over the others."""
SHARE = 0.1
"""Fraction of the excess scatter that leaving out one antenna or scan must remove."""


class Account(NamedTuple):
    """Antennas and scans without which the scatter is that of the noise, or nearly.

    Attributes:
        antennas: numbers as in the data.
        scans: likewise.
        before: scatter within cells in units of the variance from differences in time, channels looked at.
        after: the same without them.

    """

    antennas: list[int]
    scans: list[int]
    before: float
    after: float

    def __str__(self) -> str:
        names = [("antenna", self.antennas), ("scan", self.scans)]
        who = " and ".join(
            f"{kind}{'s' * (len(found) > 1)} {', '.join(map(str, found))}" for kind, found in names if found
        )
        if not who:
            return "no antenna or scan accounts for it, as where the sky varies across cells; more pixels narrow them"
        counted = " (counted from 0)" if self.antennas else ""
        return f"{self.after:.2f} without {who}{counted}: look at the calibration there, or make cells narrower"


class _Entries(NamedTuple):
    """Sums over the samples of a noise group in a cell and channel, [entry]: who they are, and their moments."""

    cell: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    scan: np.ndarray
    sums: np.ndarray


def account_for_scatter(source: Source, spec: GridSpec, channels: range, noise: Noise) -> Account:
    """Return the fewest antennas and scans that account for most of the scatter beyond the noise.

    By turns the antenna or scan is left out whose absence lowers the scatter the most, as long as it stands out from
    the others. A baseline that is off scatters, and so do the good ones that share its cells; only without the bad
    one is the scatter gone. What a few account for less than half of is put on none: a sky that varies across the
    cells makes all scatter.

    Args:
        source: the data, read once more.
        spec: the grid.
        channels: those kept.
        noise: from the first pass.

    """
    entries = _entries(source, spec, channels, noise)
    kept = np.ones(entries.cell.size, bool)
    before = now = _scatter(entries, kept) * noise.weight_scale
    left_out: dict[str, list[int]] = {"antenna": [], "scan": []}
    kinds = {"antenna": _without_antennas(entries), "scan": _without_scans(entries)}
    for _ in range(MOST_NAMED):
        best = None
        for kind, without in kinds.items():
            taken = {
                number: now - _scatter(entries, kept & others) * noise.weight_scale
                for number, others in without.items()
                if number not in left_out[kind]
            }
            if len(taken) < 2 or len(left_out[kind]) >= max(1, int(FEW * len(without))):
                continue
            number = max(taken, key=lambda n: taken[n])
            rest = float(np.median([value for other, value in taken.items() if other != number]))
            stands_out = taken[number] > max(STANDS_OUT * rest, SHARE * (now - 1.0))
            if stands_out and (best is None or taken[number] > best[0]):
                best = taken[number], kind, number, without[number]
        if best is None:
            break
        lower, kind, number, others = best
        left_out[kind].append(number)
        kept &= others
        now -= lower
        if now - 1.0 < SHARE * (before - 1.0):
            break
    if now - 1.0 > 0.5 * (before - 1.0):
        return Account([], [], before, before)
    return Account(sorted(left_out["antenna"]), sorted(left_out["scan"]), before, now)


def _entries(source: Source, spec: GridSpec, channels: range, noise: Noise) -> _Entries:
    """Read the data and sum each group's samples in each cell, for some of the channels."""
    chosen = np.unique(np.linspace(0, len(channels) - 1, MOST_CHANNELS).astype(int))
    at = channels.start + chosen
    cells_per_metre = source.frequency_hz[at] / SPEED_OF_LIGHT_M_S * spec.field_rad
    # Groups are numbered as rows come, so they are those of the first pass.
    numbering = GroupNumbering()
    parts = [(np.zeros(0, np.int64), np.zeros((5, 0)))]
    for block in source.blocks():
        group = numbering.groups(block).group.astype(np.int64)
        cell, moments, good = _moments(block, at, cells_per_metre, spec.npix, noise.channel_factor[chosen])
        key = (cell * noise.dof.size + group[:, None])[good]
        parts.append(_summed([(key, moments[:, good])]))
        # What has been summed is summed again only when as much has come, so that the work grows with the data.
        if sum(keys.size for keys, _ in parts[1:]) > parts[0][0].size:
            parts = [_summed(parts)]
    keys, sums = _summed(parts)
    cell, group = np.divmod(keys, noise.dof.size)
    return _Entries(
        np.unique(cell, return_inverse=True)[1], noise.antenna1[group], noise.antenna2[group], noise.scan[group], sums
    )


def _summed(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct keys of all parts, and the sums of their columns."""
    keys, columns = zip(*parts, strict=True)
    distinct, at = np.unique(np.concatenate(keys), return_inverse=True)
    rows = np.concatenate(columns, axis=1)
    return distinct, np.array([np.bincount(at, weights=row, minlength=distinct.size) for row in rows])


def _moments(
    block: Block, at: np.ndarray, cells_per_metre: np.ndarray, npix: int, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells [row, channel], moments [5, row, channel] and which samples are good; cells as in `accumulate`."""
    sign = np.where(block.u_m < 0, -1.0, 1.0)[:, None]
    iu = np.floor(sign * block.u_m[:, None] * cells_per_metre + 0.5).astype(np.int64)
    iv = np.floor(sign * block.v_m[:, None] * cells_per_metre + 0.5).astype(np.int64)
    mirrored = (iu == 0) & (iv < 0)
    iv = np.where(mirrored, -iv, iv)
    edge = (npix - 1) // 2
    good = ~block.flag[:, at] & (block.weight[:, at] > 0) & (iu <= edge) & (np.abs(iv) <= edge)
    cell = (np.arange(at.size) * npix + iu) * 2 * npix + iv + npix
    weight = np.where(good, block.weight[:, at].astype(float) / factor, 0.0)
    vis = np.where(good, block.vis[:, at].astype(complex), 0.0)
    re, im = vis.real, vis.imag * np.where(mirrored, -sign, sign)
    return cell, np.array([good, weight, weight * re, weight * im, weight * (re**2 + im**2)], float), good


def _scatter(entries: _Entries, kept: np.ndarray) -> float:
    """Return the scatter about the cells' means over its degrees of freedom, of the entries kept."""
    cell = entries.cell[kept]
    n, w, w_re, w_im, w_square = (np.bincount(cell, weights=row[kept]) for row in entries.sums)
    several = n > 1.0
    residual = (w_square - (w_re**2 + w_im**2) / np.where(several, w, 1.0))[several]
    dof = 2.0 * (n[several] - 1.0).sum()
    # Without shared cells nothing is known, which is no improvement.
    return float(np.maximum(residual, 0.0).sum() / dof) if dof > 0 else np.inf


def _without_antennas(entries: _Entries) -> dict[int, np.ndarray]:
    numbers = np.union1d(entries.antenna1, entries.antenna2)
    return {int(a): (entries.antenna1 != a) & (entries.antenna2 != a) for a in numbers[numbers >= 0]}


def _without_scans(entries: _Entries) -> dict[int, np.ndarray]:
    return {int(s): entries.scan != s for s in np.unique(entries.scan)}
