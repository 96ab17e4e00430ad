"""Stop by a signal: orderly once there is work to keep, at once while modules load."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["Stopped", "orderly_stop", "stopped_at_once"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
REPEATED_S = 2.0
"""Interval [s] within which repeated signals count as one: a closing terminal and its shell both send SIGHUP."""


class Stopped(KeyboardInterrupt):
    """Interrupt raised when the signal `number` asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def orderly_stop() -> Iterator[None]:
    """Raise `Stopped` on SIGTERM or SIGHUP; the process then exits with code 128 + the signal's number.

    Signals that are ignored (for example under nohup) or handled elsewhere are left alone. Outside the main thread,
    where Python receives no signals, this does nothing.

    Raises:
        SystemExit: with that code, whatever other errors occurred while stopping.

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
                f"error: stopped by {signal.Signals(number).name}: finished work is kept, and nothing is "
                "half-written; rerun the same command to resume",
                file=sys.stderr,
                flush=True,
            )
        raise SystemExit(128 + number) from error
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the process at once, for imports: there is nothing to keep yet.

    An exception would end in a traceback, and within a module written in C++ it aborts the process.
    """
    here = threading.current_thread() is threading.main_thread()
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, *SIGNALS)} if here else {}
    ours = {number: handler for number, handler in held.items() if callable(handler)}
    for number in ours:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
