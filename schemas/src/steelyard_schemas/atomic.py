"""Atomic writing of files and folders that, once in place, survive a crash."""

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

    Works for files and folders. The data are synced to disk before they take their place. Remains of earlier attempts
    by killed processes of this machine are removed.

    Raises:
        ContractError: `target` exists and `overwrite` is false, or a folder of that name has appeared meanwhile. An
            empty folder does not count.

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
    """Whether a name is free for a result: unused, or an empty folder."""
    if target.is_dir() and not target.is_symlink():
        return next(target.iterdir(), None) is None
    return not target.exists()


def remove_whole(target: Path) -> None:
    """Remove a file or folder, if present; a crash never leaves part of it under its name."""
    with _sibling(target, _NEW) as aside, suppress(FileNotFoundError):
        target.rename(aside)


def _exists(target: Path) -> ContractError:
    return ContractError(target, "exists already; choose another name or allow overwriting")


def _exchange(temporary: Path, target: Path) -> None:
    # A folder cannot be replaced in one step; the old one is kept under another name until the new one is in place.
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
    """Yield a temporary name beside `target` that identifies this process; it is removed at the end.

    An old folder is kept if nothing has taken its place.
    """
    path = target.with_name(f".{target.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(3)}.{ending}")
    _in_use.add(path)
    try:
        yield path
    finally:
        _in_use.discard(path)
        if ending == _NEW or target.exists():
            # A failed removal, for example while a thread still writes, must not hide the error; see `sweep`.
            with suppress(OSError):
                _remove(path)


def _machine() -> str:
    """Identifier of the scope of process numbers: the host and, in containers, the process namespace."""
    with suppress(OSError):
        return _short(f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}")
    return _short(socket.gethostname())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def sweep(folder: Path, name: str | None = None, *, alone: bool = False) -> None:
    """Remove temporary files and folders left by killed processes.

    A process killed between its two renames leaves the old folder under a temporary name only; it is restored.

    Args:
        folder: folder to clean, without its subfolders.
        name: name of the file or folder that was to be written; None for any.
        alone: whether the caller knows that no other process writes here. Otherwise only remains of dead processes of
            this machine are removed.

    """
    for path in list(folder.glob(f".{'*' if name is None else glob.escape(name)}.*-*-*.*")):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or path in _in_use or (name is not None and found["name"] != name):
            continue
        if not alone and (found["machine"] != _machine() or _runs(int(found["process"]))):
            continue
        target = path.with_name(found["name"])
        with suppress(OSError):  # another process may be cleaning up too
            if found["kind"] == _OLD and not target.exists():
                path.rename(target)
            else:
                _remove(path)


def _runs(process: int) -> bool:
    if process == os.getpid():
        return False  # an earlier process with the same number; files of this one are in `_in_use`
    if os.name == "nt":
        return True  # where os.kill would terminate the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # belongs to another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(top: Path) -> None:
    """Sync a file, or a folder with all its contents, to disk."""
    if not top.is_dir():
        _sync_file(top)
        return
    files, folders = [], []
    for folder, _, names in os.walk(top):
        folders.append(Path(folder))
        files += [path for name in names if not (path := Path(folder, name)).is_symlink()]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(_sync_file, files):
            pass  # re-raises exceptions of the threads
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
