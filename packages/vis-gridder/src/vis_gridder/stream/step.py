"""Processing steps on a stream of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from vis_gridder.stream.source import Block, Source

__all__ = ["Step", "with_step"]

Step = Callable[[Iterator[Block], list[str]], Iterator[Block]]
"""Function that yields changed blocks; before it ends it may append notes that depend on the samples."""


def with_step(source: Source, step: Step, notes: list[str], **changes: Any) -> Source:
    """Return a source that passes the blocks of another through a step, as they are asked for.

    Args:
        source: where the blocks come from.
        step: called at the start of each pass with its blocks and the pass's own copy of the notes.
        notes: what the step does, for the history.
        changes: fields of the source that the step changes.

    """
    history = [*source.history, *notes]

    def blocks() -> Iterator[Block]:
        found = list(notes)
        yield from step(source.blocks(), found)
        # The history is a list that others hold already; it is complete only now.
        history[:] = [*source.history, *found]

    return replace(source, blocks=blocks, history=history, **changes)
