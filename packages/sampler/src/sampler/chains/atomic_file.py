"""Files replaced atomically: a crash at any moment leaves either the old file or the new one."""

import glob
import hashlib
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file under a temporary name beside `path`, flush it to disk, rename it.

    Args:
        path: the file to create or replace.
        write: writes the content to an open binary file.
    """
    partial = path.with_name(f"{path.name}.{process_space()}-{os.getpid()}.partial")
    _sweep(path)
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def process_space() -> str:
    """Identify where a process number means the same process: the host and, in containers, the PID namespace."""
    where = socket.gethostname()
    with suppress(OSError):
        where += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def _sweep(path: Path) -> None:
    """Remove temporary files that killed processes of this machine left behind."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.{process_space()}-*.partial"):
        number = partial.name.rpartition(".")[0].rpartition("-")[2]
        if number.isdecimal() and not _is_running(int(number)):
            partial.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end the process there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's process
    return True


def _sync_folder(path: Path) -> None:
    # Not every system can open folders, and not every file system can sync them.
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
