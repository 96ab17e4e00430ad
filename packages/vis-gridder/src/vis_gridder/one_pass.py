"""One pass over a stream of visibilities: sums of its uv cells and differences in time, channels in threads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vis_gridder.accumulate import cell_order
from vis_gridder.cells import CellSums, Counts
from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.kernel import kernel_polynomial
from vis_gridder.noise import Groups, Noise, TimeDifferences
from vis_gridder.source import Block, Source
from vis_gridder.spec import GridSpec

__all__ = ["Pass", "one_pass"]


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass over a data set leaves: sums for each range of channels, the noise if baselines repeat.

    `n_groups` counts noise groups, `longest_m` is the largest |u| or |v| of unflagged samples.
    """

    cells: list[CellSums]
    noise: Noise | None
    n_groups: int
    longest_m: float

    @property
    def counts(self) -> Counts:
        """Visibility-channels used, flagged and beyond the edge."""
        total = Counts()
        for cells in self.cells:
            total = total.plus(cells.counts)
        return total

    @property
    def mean_weight(self) -> float:
        """Mean weight of the samples used."""
        total, n = np.sum([cells.weights() for cells in self.cells], axis=0)
        return float(total / n)

    def scatter(self) -> tuple[float, float]:
        """Return sum w |d - m|^2 over all cells and its degrees of freedom."""
        residual, dof = np.sum([cells.scatter() for cells in self.cells], axis=0)
        return float(residual), float(dof)


def one_pass(
    source: Source, spec: GridSpec, channels: range, progress: Callable[[int, int], None] | None = None
) -> Pass:
    """Read a source once, adding each block to the cells while the next one is read.

    Memory is a few blocks, the cells that hold data, and one row for each baseline.

    Args:
        source: the data.
        spec: the grid.
        channels: those to keep.
        progress: called with rows done and rows in all.

    """
    n_threads = os.cpu_count() or 1
    ranges = _split(len(channels), n_threads)
    cells = [CellSums(spec.npix, r, spec.min_count) for r in ranges]
    differences = TimeDifferences(source.name, ranges)
    frequency = source.frequency_hz[channels.start : channels.stop]
    cells_per_metre = frequency / SPEED_OF_LIGHT_M_S * spec.field_rad
    kernel = kernel_polynomial(spec.kernel)
    edge = (spec.npix - 1) // 2
    middle = float(cells_per_metre[cells_per_metre.size // 2])
    done = 0
    longest_m = 0.0

    def add(block: Block, order: np.ndarray, groups: Groups, index: int) -> None:
        cells[index].add(block, order, groups.group, cells_per_metre, kernel)
        differences.add(block, groups, index)

    with ThreadPoolExecutor(n_threads) as pool, ThreadPoolExecutor(1) as reader:
        for block in _ahead(source.blocks(), reader):
            here = _cut(block, channels)
            # Neighbours in the uv plane one after the other find their cells in the cache.
            order = np.argsort(cell_order(here.u_m, here.v_m, middle, edge), kind="stable")
            groups = differences.groups(here)
            for future in [pool.submit(add, here, order, groups, i) for i in range(len(ranges))]:
                future.result()
            longest_m = max(longest_m, _longest(here))
            done += here.u_m.size
            if progress:
                progress(done, source.n_rows)
    return Pass(cells, differences.result(), differences.n_groups, longest_m)


def _longest(block: Block) -> float:
    """Return the largest |u| or |v| of rows that are not flagged altogether."""
    reach = np.maximum(np.abs(block.u_m), np.abs(block.v_m))
    for row in np.argsort(reach)[::-1]:
        if not block.flag[row].all():
            return float(reach[row])
    return 0.0


def _split(n: int, parts: int) -> list[range]:
    edges = np.linspace(0, n, min(parts, n) + 1).astype(int)
    return [range(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def _cut(block: Block, channels: range) -> Block:
    if len(channels) == block.vis.shape[1]:
        return block
    here = slice(channels.start, channels.stop)
    return block._replace(vis=block.vis[:, here], weight=block.weight[:, here], flag=block.flag[:, here])


def _ahead(blocks: Iterator[Block], reader: ThreadPoolExecutor) -> Iterator[Block]:
    """Yield blocks while the next one is fetched by `reader`."""
    coming: Future[Block | None] = reader.submit(next, blocks, None)
    while (block := coming.result()) is not None:
        coming = reader.submit(next, blocks, None)
        yield block
