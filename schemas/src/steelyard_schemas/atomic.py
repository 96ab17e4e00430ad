"""Files and folders that appear whole or not at all, and stay through a crash once they have appeared."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from steelyard_schemas.errors import ContractError

__all__ = ["atomic_path", "remove_whole", "sweep", "vacant"]

_NEW, _OLD = "new", "old"
_TEMPORARY = re.compile(
    rf"\.(?P<name>.+)\.(?P<machine>[0-9a-f]{{8}})-(?P<process>\d+)-[0-9a-f]{{6}}\.(?P<kind>{_NEW}|{_OLD})"
)
_in_use: set[Path] = set()
"""Temporary files and folders of this process."""


@contextmanager
def atomic_path(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary sibling of `target` that takes its place only if the block succeeds.

    Works for files and folders. What is written is on the disk before it takes its place. What killed processes of
    this machine left of earlier attempts is removed.

    Raises:
        ContractError: `target` exists and `overwrite` is false, or a folder of that name has come meanwhile. An empty
            folder counts as nothing.

    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent, target.name)
    if not (overwrite or vacant(target)):
        raise _exists(target)
    with _sibling(target, _NEW) as temporary:
        yield temporary
        _sync(temporary)
        if target.is_dir() and vacant(target):
            target.rmdir()
        if not (temporary.is_dir() and target.exists()):
            temporary.replace(target)
        elif overwrite:
            _exchange(temporary, target)
        else:
            raise _exists(target)
        _sync_folder(target.parent)


def vacant(target: Path) -> bool:
    """Whether a result may take this name: nothing bears it, or a folder without anything in it."""
    if target.is_dir() and not target.is_symlink():
        return next(target.iterdir(), None) is None
    return not target.exists()


def remove_whole(target: Path) -> None:
    """Remove a file or folder that may not be there; a crash on the way leaves no half of it under its name."""
    with _sibling(target, _NEW) as aside, suppress(FileNotFoundError):
        target.rename(aside)


def _exists(target: Path) -> ContractError:
    return ContractError(target, "exists already; choose another name or allow overwriting")


def _exchange(temporary: Path, target: Path) -> None:
    # A folder cannot be replaced in one step; the old one stays whole under another name until the new one is in
    # place.
    with _sibling(target, _OLD) as old:
        try:
            target.rename(old)
            temporary.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            raise


@contextmanager
def _sibling(target: Path, ending: str) -> Iterator[Path]:
    """Yield a name beside `target` that says whose it is; whatever has it at the end is removed.

    An old folder stays where nothing has taken its place.
    """
    path = target.with_name(f".{target.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(3)}.{ending}")
    _in_use.add(path)
    try:
        yield path
    finally:
        _in_use.discard(path)
        if ending == _NEW or target.exists():
            # What cannot be removed now, as where a thread still writes, must not hide why; it is swept later.
            with suppress(OSError):
                _remove(path)


def _machine() -> str:
    """Where a process number means the same process: a host and, in containers, a name space of processes."""
    with suppress(OSError):
        return _short(f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}")
    return _short(socket.gethostname())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def sweep(folder: Path, name: str | None = None, *, alone: bool = False) -> None:
    """Remove what killed processes left in a folder under temporary names.

    Between its two renames such a process may have left the old folder under its temporary name only: that goes back.

    Args:
        folder: where to look; not in folders within.
        name: of the file or folder that was to be written; any if None.
        alone: the caller knows that no other process writes here. Otherwise only processes of this machine that have
            died are swept after.

    """
    for path in list(folder.glob(f".{'*' if name is None else glob.escape(name)}.*-*-*.*")):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or path in _in_use or (name is not None and found["name"] != name):
            continue
        if not alone and (found["machine"] != _machine() or _runs(int(found["process"]))):
            continue
        target = path.with_name(found["name"])
        with suppress(OSError):  # another process may sweep too
            if found["kind"] == _OLD and not target.exists():
                path.rename(target)
            else:
                _remove(path)


def _runs(process: int) -> bool:
    if process == os.getpid():
        return False  # a process before this one that had its number: this one's are in use
    if os.name == "nt":
        return True  # where asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(top: Path) -> None:
    """Write a file, or a folder with all in it, through to the disk."""
    if not top.is_dir():
        _sync_file(top)
        return
    files, folders = [], []
    for folder, _, names in os.walk(top):
        folders.append(Path(folder))
        files += [path for name in names if not (path := Path(folder, name)).is_symlink()]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(_sync_file, files):
            pass  # raises what a thread raised
    for found in folders:
        _sync_folder(found)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    # Not every system opens folders, and not every file system syncs them.
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
