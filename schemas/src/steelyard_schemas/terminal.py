"""Terminal output of commands: one-line errors, and escaping of control characters."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from steelyard_schemas.stopping import orderly_stop

__all__ = ["GuardedCommands", "error_line", "is_full", "one_line_errors", "plain"]

TRACEBACK = "STEELYARD_TRACEBACK"
FORESEEN = (OSError, ValueError, FloatingPointError)
"""Exceptions raised deliberately with a message for the user; ContractError is a ValueError."""


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LONGEST_LINE = 4000
"""Maximum number of characters of an error line."""


def plain(text: object) -> str:
    r"""Return a text with control and invisible characters replaced by visible escapes such as \x1b.

    Use it for all text from files: names of targets and telescopes, history, headers. Control characters (C0, C1),
    bidirectional marks and lone surrogates are escaped; letters of every script are kept.
    """
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in str(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def error_line(error: BaseException) -> str:
    """Describe an error in one line; for an unexpected error, include its location and how to see the traceback."""
    line = plain(" ".join(str(error).split()))
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]}..."
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in line:
        return f"out of memory ({line or 'allocation failed'}): use a smaller grid, fewer channels or less data"
    if is_full(error):
        return f"no space left to write ({line}): free some space, then run the same command again"
    if isinstance(error, FORESEEN):
        return line or type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {line}{place} (unexpected: set {TRACEBACK}=1 for the traceback)"


def is_full(error: BaseException) -> bool:
    """Whether an error was caused by a full disk, an exhausted quota or a file-size limit."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return any(isinstance(link, OSError) and link.errno in FULL for link in chain)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Convert any error of a command to one line beginning with `error:` and exit code 1; Ctrl-C to 130.

    With the environment variable STEELYARD_TRACEBACK, the traceback is printed first. Failure to write to standard
    output, as on a full disk, is an error too; a closed pipe ends the command silently.
    """
    with suppress(AttributeError, OSError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            yield
        except Exception as error:
            if not hasattr(error, "exit_code"):
                raise
            _misused(error)
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        raise SystemExit(130) from error
    except BrokenPipeError as error:
        _silence_output()
        raise SystemExit(1) from error
    except Exception as error:
        if hasattr(error, "exit_code"):  # exceptions of the command-line library
            raise
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        print(f"error: {error_line(error)}", file=sys.stderr)
        _silence_output()
        raise SystemExit(1) from error


def _misused(error: Exception) -> None:
    """Report an error of command-line usage and exit, if the error is one."""
    message = getattr(error, "format_message", None)
    if message is None or type(error).__name__ == "NoArgsIsHelpError":
        return
    context = getattr(error, "ctx", None)
    where = "" if context is None else f" (see `{context.command_path} --help`)"
    print(f"error: {plain(' '.join(message().split()))}{where}", file=sys.stderr)
    raise SystemExit(getattr(error, "exit_code", 2)) from error


def _silence_output() -> None:
    """Discard unwritten standard output, so that Python does not retry on exit."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class GuardedCommands:
    """Mixin for a command group that wraps every command in `one_line_errors`."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the command line."""
        with one_line_errors():
            return super().make_context(*args, **options)  # type: ignore[misc]

    def invoke(self, context: Any) -> Any:
        """Run a command; SIGTERM and SIGHUP stop it like Ctrl-C."""
        with one_line_errors(), orderly_stop():
            return super().invoke(context)  # type: ignore[misc]
