"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is finished is kept, and nothing is left half-written."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["Stopped", "orderly_stop"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
REPEATED_S = 2.0
"""A terminal that closes and its shell both send SIGHUP: what follows this soon is the same wish."""


class Stopped(KeyboardInterrupt):
    """The process was asked to end, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def orderly_stop() -> Iterator[None]:
    """Raise `Stopped` where SIGTERM or SIGHUP arrives; the process then ends with code 128 + the signal's number.

    A signal that is ignored, as under nohup, or that somebody else handles, stays so. Nothing happens outside the
    main thread, where Python takes no signals.

    Raises:
        SystemExit: with that code, whatever else went wrong while the work was being stopped.

    """
    received: list[tuple[int, float]] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if received and now - received[-1][1] < REPEATED_S:
            return
        received.append((number, now))
        raise Stopped(number)

    here = threading.current_thread() is threading.main_thread()
    ours = [number for number in SIGNALS if here and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    except BaseException as error:
        if not received:
            raise
        number = received[0][0]
        with suppress(OSError, ValueError):  # the terminal may be gone
            print(
                f"error: stopped by {signal.Signals(number).name}: what was finished is kept, and nothing is "
                "half-written; run the same command again to go on",
                file=sys.stderr,
                flush=True,
            )
        raise SystemExit(128 + number) from error
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
