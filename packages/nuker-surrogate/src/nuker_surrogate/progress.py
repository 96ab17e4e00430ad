"""Progress callbacks that long computations accept."""

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Called as ``tick(done, total)``."""

Progress = Callable[[str, int, int, float | None, float | None], None]
"""Called as ``progress(stage, done, total, loss, held_out_loss)`` during training; unknown losses are None."""

Advance = Callable[[str, int, int, str], None]
"""Called as ``advance(stage, done, total, note)`` to display progress."""


def stage_tick(stage: str, advance: Advance) -> Tick:
    """Make a tick that reports a stage without notes through `advance`."""
    return lambda done, total: advance(stage, done, total, "")


def training_progress(advance: Advance, member: str | None = None) -> Progress:
    """Report the progress of a training through `advance`; with the name of an ensemble's member, under that name."""

    def report(stage: str, done: int, total: int, loss: float | None, held_out: float | None) -> None:
        if member is not None:
            advance(f"{member}: {stage}", done, total, "" if held_out is None else f"held out {held_out:.2e}")
        else:
            note = "" if loss is None or held_out is None else f"loss {loss:.2e}, held out {held_out:.2e}"
            advance(stage, done, total, note)

    return report
