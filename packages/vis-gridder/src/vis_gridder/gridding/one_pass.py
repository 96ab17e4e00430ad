"""One pass over a stream of visibilities: sums of its uv cells and differences in time, channels in threads."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.gridding.cells import CellSums, Counts
from vis_gridder.gridding.kernel import kernel_polynomial
from vis_gridder.gridding.spec import GridSpec
from vis_gridder.noise.groups import Groups
from vis_gridder.noise.result import Noise
from vis_gridder.noise.time_differences import TimeDifferences
from vis_gridder.stream.source import Block, Source

__all__ = ["Pass", "in_threads", "one_pass"]

IN_FLIGHT = 2
"""Blocks being added by the threads, besides the one that is being read."""


@dataclass(frozen=True, eq=False)
class Pass:
    """Result of one pass over a data set: sums for each range of channels, and the noise if baselines repeat.

    `n_groups` counts noise groups; `why_no_noise` says why there is none from differences in time.
    """

    cells: list[CellSums]
    noise: Noise | None
    n_groups: int
    why_no_noise: str = ""

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
        shape, n_channels = self.cells[0].cells.slots.shape, self.cells[-1].channels.stop
        into = np.zeros((*shape, 2))
        for cells in self.cells:
            cells.scatter_of_cells(into, np.ones(n_channels))
        residual, dof = into.sum(axis=(0, 1))
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
    pending: deque[tuple[int, list[Future[None]]]] = deque()

    def add(block: Block, groups: Groups, index: int) -> None:
        cells[index].add(block, groups.group, cells_per_metre, kernel)
        differences.add(block, groups, index)

    def finish_one() -> None:
        nonlocal done
        rows, futures = pending.popleft()
        for future in futures:
            future.result()
        done += rows
        if progress:
            progress(done, source.n_rows)

    with ExitStack() as stack:
        reader = stack.enter_context(ThreadPoolExecutor(1))
        # One thread for each range: it takes the blocks in order and need not wait for the others.
        workers = [stack.enter_context(ThreadPoolExecutor(1)) for _ in ranges]
        for block in _ahead(source.blocks(), reader):
            here = _cut(block, channels)
            groups = differences.groups(here)
            pending.append((here.u_m.size, [w.submit(add, here, groups, i) for i, w in enumerate(workers)]))
            if len(pending) > IN_FLIGHT:
                finish_one()
        while pending:
            finish_one()
    noise = differences.result()
    return Pass(cells, noise, differences.n_groups, "" if noise else differences.why_none())


def in_threads[T, R](function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the results of a function for several items, computed in threads."""
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
