"""One pass over a stream of visibilities: sums of its uv cells and differences in time, channels in threads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vis_gridder.cells import CellSums, Counts
from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.kernel import kernel_polynomial
from vis_gridder.noise import Groups, Noise, TimeDifferences
from vis_gridder.source import Block, Source
from vis_gridder.spec import GridSpec

__all__ = ["Pass", "in_threads", "one_pass"]


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass over a data set leaves: sums for each range of channels, the noise if baselines repeat.

    `n_groups` counts noise groups.
    """

    cells: list[CellSums]
    noise: Noise | None
    n_groups: int

    @property
    def counts(self) -> Counts:
        """Visibility-channels used, flagged and beyond the edge."""
        total = Counts()
        for cells in self.cells:
            total = total.plus(cells.counts)
        return total

    @property
    def farthest_m(self) -> float:
        """Largest |u| or |v| of samples beyond the edge, m."""
        return max(cells.farthest_m for cells in self.cells)

    @property
    def mean_weight(self) -> float:
        """Mean weight of the samples used."""
        total, n = np.sum(in_threads(CellSums.weights, self.cells), axis=0)
        return float(total / n)

    def scatter(self) -> tuple[float, float]:
        """Return sum w |d - m|^2 over all cells and its degrees of freedom."""
        residual, dof = np.sum(in_threads(CellSums.scatter, self.cells), axis=0)
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
    done = 0

    def add(block: Block, groups: Groups, index: int) -> None:
        cells[index].add(block, groups.group, cells_per_metre, kernel)
        differences.add(block, groups, index)

    with ThreadPoolExecutor(n_threads) as pool, ThreadPoolExecutor(1) as reader:
        for block in _ahead(source.blocks(), reader):
            here = _cut(block, channels)
            groups = differences.groups(here)
            for future in [pool.submit(add, here, groups, i) for i in range(len(ranges))]:
                future.result()
            done += here.u_m.size
            if progress:
                progress(done, source.n_rows)
    return Pass(cells, differences.result(), differences.n_groups)


def in_threads[T, R](function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the results of compiled work on several things at once."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))


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
