"""Summary of data sets from a first pass, before a grid is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.stream.source import Source

__all__ = ["DataSummary", "data_summary"]


@dataclass(frozen=True)
class DataSummary:
    """Summary of the samples of one or several data sets, flagged rows left out.

    Attributes:
        n_rows: baselines times integrations, flagged ones too.
        n_samples: visibility-channels, flagged ones too.
        n_flagged: number of flagged samples among them.
        longest_wavelengths: largest |u| or |v|, in wavelengths of the highest channel.
        shortest_m: shortest baseline that is not zero, projected, m.
        wavelength_m: at the middle of the band.
        dish_diameter_m: diameter of the first data set.
        mean_weight: as in the file, of unflagged samples.

    """

    n_rows: int
    n_samples: int
    n_flagged: int
    longest_wavelengths: float
    shortest_m: float
    wavelength_m: float
    dish_diameter_m: float | None
    mean_weight: float


def data_summary(sources: Sequence[Source], progress: Callable[[int, int], None] | None = None) -> DataSummary:
    """Read the data once and return their summary.

    Args:
        sources: one or more.
        progress: called with rows done and rows in all.

    Raises:
        ContractError: all baselines have zero length, or the samples cannot be read.

    """
    n_rows = n_samples = n_flagged = 0
    longest, shortest_m, weights = 0.0, np.inf, 0.0
    total = sum(source.n_rows for source in sources)
    for source in sources:
        for block in source.blocks():
            used = ~block.flag.all(axis=1)
            n_rows += used.size
            n_samples += block.flag.size
            n_flagged += int(np.count_nonzero(block.flag))
            weights += float(block.weight[~block.flag].sum(dtype=float))
            u_m, v_m = block.u_m[used], block.v_m[used]
            reach_m = max(np.abs(u_m).max(initial=0.0), np.abs(v_m).max(initial=0.0))
            longest = max(longest, reach_m * float(source.frequency_hz[-1]) / SPEED_OF_LIGHT_M_S)
            length_m = np.hypot(u_m, v_m)
            shortest_m = min(shortest_m, float(length_m[length_m > 0].min(initial=np.inf)))
            if progress:
                progress(n_rows, total)
    first = sources[0]
    if not longest > 0:
        raise ContractError(first.name, "has no baseline of any length (u and v are 0); is it single-dish data?")
    return DataSummary(
        n_rows=n_rows,
        n_samples=n_samples,
        n_flagged=n_flagged,
        longest_wavelengths=longest,
        shortest_m=shortest_m,
        wavelength_m=SPEED_OF_LIGHT_M_S / float(first.frequency_hz.mean()),
        dish_diameter_m=first.observation.dish_diameter_m,
        mean_weight=weights / max(1, n_samples - n_flagged),
    )
