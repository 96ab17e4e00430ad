"""Noise from the data: differences in time of the same baseline, in which the sky cancels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from steelyard_schemas import ContractError, Store, Visibilities

from vis_gridder.stream.baselines import Baselines
from vis_gridder.stream.source import Block, Source, as_source
from vis_gridder.stream.unmeasured import measured_only

__all__ = ["Groups", "Noise", "TimeDifferences", "estimate_noise"]

FEWEST_DOF = 50.0
"""A baseline in a scan with fewer degrees of freedom (sigma known to worse than 10 %) takes the pooled noise."""
SIGNIFICANT = 3.0
"""Standard errors by which channels must scatter more than chance lets them before they get noise of their own."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of Stokes I visibilities, as measured: one value for each baseline in each scan, times one a channel.

    Attributes:
        antenna1: [group] the baseline's lower antenna number.
        antenna2: [group] the higher.
        scan: [group].
        sigma_jy: [group] standard deviation of the real (or imaginary) part of one visibility-channel, at the mean
            weight of the group's unflagged samples; NaN where all are flagged.
        dof: [group] degrees of freedom of `sigma_jy ** 2`.
        variance_per_weight: [group] variance times weight: the variance of a sample is this, times its channel's
            factor, over its weight.
        channel_factor: [channel] how the variance of a channel departs from what its weights say; mean about 1.
        weight_scale: the factor that turns the file's weights into inverse variances, pooled over all data.
        weight_scale_error: its relative standard error.
        n_differences: differences used.
        n_still: groups whose samples never change, which is no noise; they take the pooled value.

    """

    antenna1: np.ndarray
    antenna2: np.ndarray
    scan: np.ndarray
    sigma_jy: np.ndarray
    dof: np.ndarray
    variance_per_weight: np.ndarray
    channel_factor: np.ndarray
    weight_scale: float
    weight_scale_error: float
    n_differences: int
    n_still: int = 0


def estimate_noise(vis: Store[Visibilities] | Source) -> Noise:
    """Measure the noise per baseline, scan and channel from consecutive unflagged integrations.

    With d = V2 - V1 of one baseline, scan and channel, E |d|^2 / (1/w1 + 1/w2) = 2 s, where s / w is the variance
    of the real part of a sample of weight w. A baseline in a scan has too few differences for a value in every
    channel, so s is a product: s of the baseline and scan, pooled over channels, times a factor of the channel,
    pooled over baselines and scans. Gaps from flags are bridged. Nothing is rejected: outliers are noise that the
    data have. A sky that changes from one integration to the next adds to d; see the README for how much. A baseline
    that never changes within a scan has no noise to go by: it adds nothing to the pooled noise and takes it.

    The chain of n samples gives n - 1 differences that share samples; they are worth 2 (n - 1)^2 / (3 n - 4)
    degrees of freedom (von Neumann 1941, Ann. Math. Stat. 12, 367), for the real and the imaginary part each.

    Raises:
        ContractError: no baseline was observed twice within a scan, or the rows name no antennas.

    """
    source = vis if isinstance(vis, Source) else measured_only(as_source(vis))
    differences = TimeDifferences(source.name, [range(source.frequency_hz.size)])
    for block in source.blocks():
        differences.add(block, differences.groups(block), 0)
    noise = differences.result()
    if noise is None:
        raise ContractError(
            source.name, f"has no differences in time to measure noise from: {differences.why_none()}"
        )
    return noise


class TimeDifferences:
    """Sums over differences in time as blocks of rows come by.

    Rows of a baseline are differenced in the order in which they come; memory is one row for each baseline. Ranges
    of channels keep sums of their own, so that each may be added by a thread of its own.

    Args:
        name: of the data, for messages.
        channel_ranges: ranges that together make all channels.

    """

    def __init__(self, name: str, channel_ranges: Sequence[range]) -> None:
        self.name = name
        self.ranges = channel_ranges
        self.baselines = Baselines()
        self.n_groups = 0
        self.n_named = self.n_nameless = 0
        self.nameless_group = -1
        self.slot_group = np.zeros(0, np.int32)
        self.slot_scan = np.zeros(0, np.int32)
        self.labels = np.zeros((0, 3), np.int32)
        # Single precision: a group has few rows, and there are as many groups as baselines times scans.
        self.sums = [np.zeros((0, 5), np.float32) for _ in channel_ranges]
        self.channel_sums = [np.zeros((2, len(r))) for r in channel_ranges]
        self.last = [np.zeros((0, 4, len(r)), np.float32) for r in channel_ranges]

    def groups(self, block: Block) -> Groups:
        """Tell which baseline and scan each row belongs to; call once for every block, in order."""
        slot = self.baselines.slots(block)
        n_slots, n_nameless = self.baselines.n, int(np.count_nonzero(slot < 0))
        self.slot_group, self.slot_scan = (_grown(a, n_slots, fill=-1) for a in (self.slot_group, self.slot_scan))
        self.labels = _grown(self.labels, self.n_groups + block.u_m.size + 1)
        if n_nameless and self.nameless_group < 0:
            # Nobody knows which of these rows belong together: their noise is one.
            self.nameless_group = self.n_groups
            self.labels[self.n_groups] = -1
            self.n_groups += 1
        self.n_named += slot.size - n_nameless
        self.n_nameless += n_nameless
        group, previous, self.n_groups = _assign(
            slot,
            block.antenna1,
            block.antenna2,
            block.scan,
            self.slot_group,
            self.slot_scan,
            self.labels,
            self.n_groups,
            self.nameless_group,
        )
        chain = (slot, previous) if n_nameless < slot.size else None
        return Groups(group, chain, n_slots, self.n_groups)

    def add(self, block: Block, groups: Groups, index: int) -> None:
        """Add one range of channels of a block; ranges may be added at the same time, each its blocks in order."""
        if groups.chain is None:
            return
        slot, previous = groups.chain
        self.last[index] = _grown(self.last[index], groups.n_slots)
        self.sums[index] = _grown(self.sums[index], groups.n_groups)
        channels = self.ranges[index]
        _differences(
            self.sums[index],
            self.channel_sums[index],
            self.last[index],
            block.vis.view(np.float32),
            block.weight,
            block.flag,
            slot,
            groups.group,
            previous,
            block.antenna1 > block.antenna2,
            channels.start,
        )

    def result(self) -> Noise | None:
        """Return the noise, or None where there are no differences; ends the chains that are still open."""
        self.sums = [_grown(sums, self.n_groups) for sums in self.sums]
        for sums, last in zip(self.sums, self.last, strict=True):
            _end_chains(sums, last, self.slot_group)
        columns = np.sum([part[: self.n_groups] for part in self.sums], axis=0, dtype=float).T
        total, pairs, dof, weight, count = (np.asarray(column, float) for column in columns)
        if not pairs.sum() > 0:
            return None
        if not total.sum() > 0:
            raise ContractError(self.name, "has no noise: every baseline repeats itself exactly")
        still, with_still = (pairs > 0) & (total == 0), pairs.sum()
        pairs, dof = np.where(still, 0.0, pairs), np.where(still, 0.0, dof)
        pooled = total.sum() / (2.0 * pairs.sum())
        enough = (dof >= FEWEST_DOF) & (total > 0)
        scale = np.where(enough, total / np.maximum(2.0 * pairs, 1.0), pooled)
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = np.sqrt(scale * count / weight)
        return Noise(
            antenna1=self.labels[: self.n_groups, 0].copy(),
            antenna2=self.labels[: self.n_groups, 1].copy(),
            scan=self.labels[: self.n_groups, 2].copy(),
            sigma_jy=np.where(weight > 0, sigma, np.nan),
            dof=np.where(enough, dof, dof.sum()),
            variance_per_weight=scale,
            # Sums of channels are over all groups, those that never change too.
            channel_factor=_channel_factor(
                np.concatenate(self.channel_sums, axis=1),
                total.sum() / (2.0 * with_still),
                dof.sum() / pairs.sum() * _alike(scale, pairs),
            ),
            weight_scale=float(1.0 / pooled),
            weight_scale_error=float(np.sqrt(2.0 / dof.sum())),
            n_differences=int(pairs.sum()),
            n_still=int(np.count_nonzero(still)),
        )

    def why_none(self) -> str:
        """Return why there are no differences, as a sentence."""
        if self.n_named == 0:
            return "the rows name no antennas"
        but = f" among the rows that name antennas ({self.n_nameless} do not)" if self.n_nameless else ""
        return f"no baseline was observed twice within a scan{but}"


@dataclass(frozen=True, eq=False)
class Groups:
    """The noise group of each row, and for known baselines [row] their slot and the group before a new one or -1.

    `n_slots` and `n_groups` are how many there have been so far.
    """

    group: np.ndarray
    chain: tuple[np.ndarray, np.ndarray] | None
    n_slots: int
    n_groups: int


def _grown(array: np.ndarray, size: int, fill: int = 0) -> np.ndarray:
    """Return `array` with `fill` behind, for at least `size` entries."""
    if size <= array.shape[0]:
        return array
    longer = np.full((max(size, array.shape[0] + array.shape[0] // 2), *array.shape[1:]), fill, array.dtype)
    longer[: array.shape[0]] = array
    return longer


def _alike(scale: np.ndarray, pairs: np.ndarray) -> float:
    """Return the part of the degrees of freedom that a sum over unlike groups keeps (Satterthwaite 1946)."""
    return float((pairs @ scale) ** 2 / (pairs.sum() * (pairs @ scale**2)))


def _channel_factor(channel_sums: np.ndarray, pooled: float, dof_per_pair: float) -> np.ndarray:
    """Return each channel's variance over the pooled one, drawn towards 1 as far as its own scatter is chance.

    A factor with nu degrees of freedom scatters by 2 / nu in variance even where all channels are alike; what the
    factors scatter beyond that is real, and its share is how far they are believed (James & Stein 1961). Where they
    do not scatter significantly more than chance lets them, all are 1.

    Args:
        channel_sums: [2, channel] sums of squared differences and of pairs.
        pooled: variance times weight over all channels.
        dof_per_pair: degrees of freedom of a pair, less than 2 because pairs share samples and because baselines
            are not alike.

    """
    total, pairs = channel_sums
    # A channel that never changes in time has no noise of its own, which is not to have none.
    known = (pairs > 0) & (total > 0)
    n = int(np.count_nonzero(known))
    factor = np.ones(total.size)
    if n < 2:
        return factor
    dof = dof_per_pair * pairs[known]
    found = total[known] / (2.0 * pairs[known]) / pooled
    chance, seen = np.mean(2.0 / dof), np.mean((found - 1.0) ** 2)
    # The square of a scaled chi-square's departure from its mean has this relative variance.
    spread = np.sqrt((2.0 + 12.0 / dof.mean()) / n)
    if seen > chance * (1.0 + SIGNIFICANT * spread):
        factor[known] = 1.0 + (1.0 - chance / seen) * (found - 1.0)
    return factor


@njit(cache=True, nogil=True)
def _assign(
    slot: np.ndarray,
    antenna1: np.ndarray,
    antenna2: np.ndarray,
    scan: np.ndarray,
    slot_group: np.ndarray,
    slot_scan: np.ndarray,
    labels: np.ndarray,
    n_groups: int,
    nameless_group: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Give each row the group of its baseline and scan, or that of rows without baseline (slot -1).

    `previous` is -1, but where a group starts: there it is the group that the baseline had before, or the new one
    itself where there was none.
    """
    n = slot.size
    group = np.empty(n, np.int32)
    previous = np.full(n, -1, np.int32)
    for row in range(n):
        s = slot[row]
        if s < 0:
            group[row] = nameless_group
            continue
        new = slot_group[s] < 0
        if new or slot_scan[s] != scan[row]:
            previous[row] = n_groups if new else slot_group[s]
            labels[n_groups, 0] = min(antenna1[row], antenna2[row])
            labels[n_groups, 1] = max(antenna1[row], antenna2[row])
            labels[n_groups, 2] = scan[row]
            slot_group[s] = n_groups
            slot_scan[s] = scan[row]
            n_groups += 1
        group[row] = slot_group[s]
    return group, previous, n_groups


@njit(cache=True, nogil=True)
def _end_chain(sums: np.ndarray, group: int, state: np.ndarray) -> None:
    """Count the degrees of freedom of a baseline's chains and start them anew."""
    for k in range(state.shape[1]):
        n = float(state[3, k])
        if n > 1.0:
            sums[group, 2] += 4.0 * (n - 1.0) ** 2 / (3.0 * n - 4.0)
    state[2:] = 0.0


@njit(cache=True, nogil=True)
def _end_chains(sums: np.ndarray, last: np.ndarray, slot_group: np.ndarray) -> None:
    for slot in range(min(last.shape[0], slot_group.size)):
        if slot_group[slot] >= 0:
            _end_chain(sums, slot_group[slot], last[slot])


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _difference(
    state: np.ndarray,
    channel_sums: np.ndarray,
    parts: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    sign: np.float32,
) -> tuple[float, float, float, float]:
    """Difference a row with the last of its baseline; return sum |d|^2 / (1/w1 + 1/w2), pairs, weights, samples."""
    re, im, w, n = state
    total = 0.0
    pairs = 0.0
    weights = 0.0
    count = 0.0
    for k in range(weight.size):
        good = (not flag[k]) and weight[k] > 0.0
        both = good and w[k] > 0.0
        d_re = float(parts[2 * k]) - float(re[k])
        d_im = float(sign * parts[2 * k + 1]) - float(im[k])
        harmonic = float(weight[k]) * float(w[k]) / (float(weight[k]) + float(w[k])) if both else 0.0
        square = (d_re * d_re + d_im * d_im) * harmonic if both else 0.0
        total += square
        pairs += 1.0 if both else 0.0
        weights += float(weight[k]) if good else 0.0
        count += 1.0 if good else 0.0
        channel_sums[0, k] += square
        channel_sums[1, k] += 1.0 if both else 0.0
        re[k] = parts[2 * k] if good else re[k]
        im[k] = sign * parts[2 * k + 1] if good else im[k]
        w[k] = weight[k] if good else w[k]
        n[k] += np.float32(1.0) if good else np.float32(0.0)
    return total, pairs, weights, count


@njit(cache=True, nogil=True)
def _differences(
    sums: np.ndarray,
    channel_sums: np.ndarray,
    last: np.ndarray,
    parts: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    slot: np.ndarray,
    group: np.ndarray,
    previous: np.ndarray,
    swapped: np.ndarray,
    first_channel: int,
) -> None:
    """Add a block of rows, for the range of channels that `last` holds.

    Args:
        sums: [group, 5] sums as `_difference` returns them, degrees of freedom third.
        channel_sums: [2, channel] the first two of them by channel.
        last: [slot, 4, channel] real and imaginary part and weight of the last good sample of each baseline, and
            the length of its chain.
        parts: [row, 2 * channel] all channels, real and imaginary part by turns.
        weight: [row, channel].
        flag: [row, channel].
        slot: [row].
        group: [row].
        previous: [row] see `_assign`.
        swapped: [row] true where the baseline is listed the other way round, which is the complex conjugate.
        first_channel: of the range.

    """
    stop = first_channel + last.shape[2]
    for row in range(slot.size):
        if slot[row] < 0:
            continue
        state = last[slot[row]]
        if previous[row] >= 0:
            _end_chain(sums, previous[row], state)
        total, pairs, weights, count = _difference(
            state,
            channel_sums,
            parts[row, 2 * first_channel : 2 * stop],
            weight[row, first_channel:stop],
            flag[row, first_channel:stop],
            np.float32(-1.0) if swapped[row] else np.float32(1.0),
        )
        sums[group[row], 0] += total
        sums[group[row], 1] += pairs
        sums[group[row], 3] += weights
        sums[group[row], 4] += count
