"""Sums over differences in time of the same baseline, in which the sky cancels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.noise.channel_factor import channel_factor, dof_kept
from vis_gridder.noise.difference_loops import Chains, DifferenceSums, add_differences, end_chains
from vis_gridder.noise.groups import GroupNumbering, Groups, grown
from vis_gridder.noise.result import Noise
from vis_gridder.stream.source import Block

__all__ = ["TimeDifferences"]

FEWEST_DOF = 50.0
"""A baseline in a scan with fewer degrees of freedom (sigma known to worse than 10 %) takes the pooled noise."""


class TimeDifferences:
    """Sums over differences in time, added block by block.

    Rows of a baseline are differenced in the order in which they come; memory is one row for each baseline. Each
    range of channels has its own sums, so that a thread of its own can add to it.

    Args:
        name: name of the data, for messages.
        channel_ranges: ranges that together make all channels.

    """

    def __init__(self, name: str, channel_ranges: Sequence[range]) -> None:
        self.name = name
        self.ranges = channel_ranges
        self.numbering = GroupNumbering()
        # Single precision: a group has few rows, and there are as many groups as baselines times scans.
        self.sums = [
            DifferenceSums(np.zeros((0, 5), np.float32), np.zeros((2, len(r))), np.zeros((0, 4, len(r)), np.float32))
            for r in channel_ranges
        ]

    @property
    def n_groups(self) -> int:
        """Number of noise groups so far."""
        return self.numbering.n_groups

    def groups(self, block: Block) -> Groups:
        """Return the baseline and scan of each row; call once for every block, in order."""
        return self.numbering.groups(block)

    def add(self, block: Block, groups: Groups, index: int) -> None:
        """Add one range of channels of a block; ranges may be added at the same time, each its blocks in order."""
        if not groups.any_named:
            return
        sums = self.sums[index]
        sums = sums._replace(
            groups=grown(sums.groups, groups.n_groups),
            last=grown(sums.last, groups.n_slots),
        )
        self.sums[index] = sums
        add_differences(
            sums,
            block.vis.view(np.float32),
            block.weight,
            block.flag,
            Chains(groups.slot, groups.group, groups.previous, block.antenna1 > block.antenna2),
            self.ranges[index].start,
        )

    def result(self) -> Noise | None:
        """Return the noise, or None where there are no differences; ends the chains that are still open."""
        total, pairs, dof, weight, count = self._finished_sums()
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
        antenna1, antenna2, scan = self.numbering.labels.T.copy()
        return Noise(
            antenna1=antenna1,
            antenna2=antenna2,
            scan=scan,
            sigma_jy=np.where(weight > 0, sigma, np.nan),
            dof=np.where(enough, dof, dof.sum()),
            variance_per_weight=scale,
            channel_factor=channel_factor(
                np.concatenate([sums.channels for sums in self.sums], axis=1),
                # The sums of channels include the groups that never change.
                total.sum() / (2.0 * with_still),
                dof.sum() / pairs.sum() * dof_kept(scale, pairs),
            ),
            weight_scale=float(1.0 / pooled),
            weight_scale_error=float(np.sqrt(2.0 / dof.sum())),
            n_differences=int(pairs.sum()),
            n_still=int(np.count_nonzero(still)),
        )

    def _finished_sums(self) -> np.ndarray:
        """Return the sums of `DifferenceSums.groups` over all channels, [5, group], with all chains ended."""
        self.sums = [sums._replace(groups=grown(sums.groups, self.n_groups)) for sums in self.sums]
        for sums in self.sums:
            end_chains(sums, self.numbering.slot_group)
        columns = np.sum([sums.groups[: self.n_groups] for sums in self.sums], axis=0, dtype=float).T
        return np.array([np.asarray(column, float) for column in columns])

    def why_none(self) -> str:
        """Return the reason why there are no differences."""
        if self.numbering.n_named == 0:
            return "the rows name no antennas"
        n_nameless = self.numbering.n_nameless
        but = f" among the rows that name antennas ({n_nameless} do not)" if n_nameless else ""
        return f"no baseline was observed twice within a scan{but}"
