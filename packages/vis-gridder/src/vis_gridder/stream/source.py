"""Visibilities as a stream: metadata known beforehand, and samples in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from steelyard_schemas import Observation, Store, Visibilities

__all__ = ["ROW_ARRAYS", "Block", "Source", "as_source", "collect", "first_time", "rows_per_block"]

BLOCK_BYTES = 16 * 2**20
"""Bytes of complex samples in a block: large against the cost of a call, small against memory."""


class Block(NamedTuple):
    """Rows of visibilities, Stokes I, as the arrays of `Visibilities` define them.

    `vis` [row, channel] complex64 Jy, `weight` float32 (0 where flagged), `flag` bool; all others [row].
    """

    u_m: np.ndarray
    v_m: np.ndarray
    w_m: np.ndarray
    vis: np.ndarray
    weight: np.ndarray
    flag: np.ndarray
    time_mjd_s: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    scan: np.ndarray


ROW_ARRAYS = Block._fields
"""Names of the arrays that have a value, or channels of values, for each row."""


@dataclass(frozen=True, eq=False)
class Source:
    """One field and one spectral window of a data set, whose samples are read as they are needed.

    Attributes:
        observation: target, telescope, frame.
        name: the file's name, without its folder.
        frequency_hz: [channel] centres, ascending, evenly spaced.
        channel_width_hz: [channel].
        n_rows: rows to come, all blocks together.
        start_mjd_s: a time within the observation, UTC; None where the file tells no times.
        blocks: starts a pass over the rows and yields them block by block. Faults of the samples show only
            here, as ContractError.
        history: what was done to the data, in order; complete once a pass has ended.

    """

    observation: Observation
    name: str
    frequency_hz: np.ndarray
    channel_width_hz: np.ndarray
    n_rows: int
    start_mjd_s: float | None
    blocks: Callable[[], Iterator[Block]]
    history: list[str] = field(default_factory=list)


def rows_per_block(n_channels: int) -> int:
    """Return how many rows of so many channels make a block."""
    return max(1, BLOCK_BYTES // (8 * n_channels))


def first_time(time_mjd_s: np.ndarray) -> float | None:
    """Return the first time that is known; rows of formats without times have 0 there, others may have NaN."""
    known = np.flatnonzero(np.isfinite(time_mjd_s) & (time_mjd_s > 0))
    return float(time_mjd_s[known[0]]) if known.size else None


def as_source(vis: Store[Visibilities]) -> Source:
    """Return a store in memory as a stream; blocks are views of its arrays."""
    n_rows, n_channels = vis["vis"].shape
    step = rows_per_block(n_channels)

    def blocks() -> Iterator[Block]:
        for first in range(0, n_rows, step):
            yield Block(*(vis[name][first : first + step] for name in ROW_ARRAYS))

    return Source(
        observation=vis.manifest.observation,
        name=vis.manifest.source,
        frequency_hz=vis["frequency_hz"],
        channel_width_hz=vis["channel_width_hz"],
        n_rows=n_rows,
        start_mjd_s=first_time(vis["time_mjd_s"]),
        blocks=blocks,
        history=list(vis.manifest.history),
    )


def collect(source: Source, progress: Callable[[int, int], None] | None = None) -> Store[Visibilities]:
    """Read a stream to its end and return it as a store in memory.

    Args:
        source: the stream.
        progress: called with rows done and rows in all.

    Raises:
        ContractError: the samples cannot be read or used.

    """
    shapes = {spec.name: spec for spec in Visibilities.ARRAYS}
    n_channels = source.frequency_hz.size
    arrays: dict[str, np.ndarray] = {
        name: np.empty((source.n_rows, n_channels)[: len(shapes[name].dims)], shapes[name].dtype)
        for name in ROW_ARRAYS
    }
    done = 0
    for block in source.blocks():
        n = block.u_m.size
        for name, values in zip(ROW_ARRAYS, block, strict=True):
            arrays[name][done : done + n] = values
        done += n
        if progress:
            progress(done, source.n_rows)
    arrays = {name: values[:done] for name, values in arrays.items()}
    arrays["frequency_hz"] = source.frequency_hz
    arrays["channel_width_hz"] = source.channel_width_hz
    manifest = Visibilities(observation=source.observation, source=source.name, history=tuple(source.history))
    store = Store(manifest, arrays)
    store.check(source.name)
    return store
