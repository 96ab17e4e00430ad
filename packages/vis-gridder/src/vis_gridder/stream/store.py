"""Streams of visibilities to stores on disk, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from steelyard_schemas import Visibilities, write_stream

from vis_gridder.stream.source import Source

__all__ = ["write_visibilities"]


def write_visibilities(
    path: str | Path,
    source: Source,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Visibilities:
    """Write a source as a `Visibilities` store, chunks of rows in threads; return its manifest.

    Args:
        path: path of the store.
        source: the data.
        overwrite: replace a store that is there.
        progress: called with rows done and rows in all.

    Raises:
        ContractError: `path` exists and `overwrite` is false, or the samples cannot be read or used.

    """

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        done = 0
        for block in source.blocks():
            done += block.u_m.size
            yield block._asdict()
            if progress:
                progress(done, source.n_rows)

    return write_stream(
        Path(path),
        # The history is complete only when the last block has come.
        lambda: Visibilities(observation=source.observation, source=source.name, history=tuple(source.history)),
        {"frequency_hz": source.frequency_hz, "channel_width_hz": source.channel_width_hz},
        source.n_rows,
        blocks(),
        overwrite=overwrite,
    )
