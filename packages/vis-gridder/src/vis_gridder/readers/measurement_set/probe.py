"""A Measurement Set is opened in a process of its own first: damage that ends it in casacore ends no fit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from steelyard_schemas import ContractError

from vis_gridder.readers.measurement_set import touch

__all__ = ["probe"]

LIMIT_S = 30.0
"""Half a second is the rule; a file system across a network that has not seen the tables before needs several."""


def probe(path: Path, limit_s: float = LIMIT_S) -> None:
    """Open the tables of a Measurement Set and read the ends of the columns used in a child process.

    The child starts afresh (JAX's threads do not survive a fork), imports casacore only, and takes half a second.
    What it raises is passed over, for the reader meets the same and has better words.

    Args:
        path: the folder.
        limit_s: of the child's time.

    Raises:
        ContractError: a signal ended the child, or it went on for more than `limit_s`.

    """
    # Not the current folder, in which a stranger's casacore.py may lie; but all that this process imports from.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, "-P", touch.__file__, str(path.absolute())]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ContractError(
            path,
            f"{_place(error.stdout)} cannot be opened within {limit_s:g} s; copy the Measurement Set to a local "
            "disk, or export it again if it is on one",
        ) from error
    except OSError:
        return  # no process is to be had: the reader goes on without
    if done.returncode < 0:
        raise ContractError(path, _ended(-done.returncode, _place(done.stdout)))


def _place(output: bytes | None) -> str:
    """Return the table that a child touched last, for a message."""
    names = (output or b"").decode(errors="replace").split()
    return f"its table {names[-1]}" if names else "its first table"


def _ended(number: int, place: str) -> str:
    name = str(number)
    with suppress(ValueError):
        name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return f"{place} took more memory than there is ({name}); read it on a larger machine, or export it again"
    return f"is a damaged Measurement Set: {place} makes casacore crash ({name}); copy or export it again"
