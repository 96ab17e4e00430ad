"""Folder leases: one process at a time may write in a folder, and other processes are told which one.

A lease is a file that its owner refreshes; it works on network file systems, where operating-system locks may not. An
owner that died on this machine loses the lease at once, even if its process number has been reused. An owner on
another machine or in another container loses it after `LEASE_S` of observed silence.
"""

from __future__ import annotations

import glob
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import SoftFileLease, Timeout
from steelyard_schemas import ContractError, sweep

__all__ = ["LEASE_S", "LOCK_FILE", "check_lease", "fit_lease", "hold", "owner_of"]

LEASE_S = 60.0
LOCK_FILE = "worker.lock"
SINCE = "since="
WATCHED = 1.2
"""Observed silence, in units of `LEASE_S`, after which an owner counts as dead."""

_held: dict[Path, tuple[int, int, SoftFileLease]] = {}
"""Process, thread and lease by lock file; functions called by the owning command need not wait for it."""


@contextmanager
def hold(path: Path, refusal: str, *, timeout_s: float = 0.0) -> Iterator[SoftFileLease]:
    """Hold the lease of a lock file; folders created for it are removed if they stay empty.

    The lease is re-entrant within a thread.

    Args:
        path: the lock file.
        refusal: error message (problem and remedy), with the owner's name in place of `{owner}`.
        timeout_s: time to wait for another owner [s]; -1 waits forever.

    Raises:
        ContractError: another process or thread holds the lease.

    """
    key, me = path.resolve(), (os.getpid(), threading.get_ident())
    if key in _held and _held[key][:2] == me:
        yield _held[key][2]
        return
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(path, lease_duration=LEASE_S, timeout=timeout_s)
    try:
        _acquire(lease, path)
    except Timeout as error:
        raise ContractError(path.parent, refusal.format(owner=owner_of(path) or "unknown process")) from error
    except BaseException:
        _remove_empty(made)
        raise
    _held[key] = (*me, lease)
    _sweep_breaks(path)
    try:
        # filelock ignores unknown lines.
        with suppress(OSError), path.open("a") as file:
            file.write(f"{SINCE}{datetime.now(UTC).isoformat(timespec='seconds')}\n")
        yield lease
    finally:
        del _held[key]
        lease.release()
        _remove_empty(made)


def _acquire(lease: SoftFileLease, path: Path) -> None:
    """Acquire a lease; if its owner on another machine looks dead, watch it long enough to be sure.

    The clocks of two machines and their file server differ and may be set back, so the age of the file only decides
    whether watching is worthwhile.
    """
    try:
        lease.acquire()
    except Timeout:
        if lease.timeout != 0 or abs(_silence_s(path)) < LEASE_S:
            raise
        warnings.warn(
            f"{path.parent} is held by {owner_of(path)}: watching for {LEASE_S:.0f} s for signs of life",
            UserWarning,
            stacklevel=2,
        )
        lease.acquire(timeout=LEASE_S * WATCHED)


def _silence_s(path: Path) -> float:
    """Return the time [s] since a lock file was refreshed, by the clocks of its file server and this machine."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _sweep_breaks(path: Path) -> None:
    """Remove the name under which filelock puts a dead owner's lock aside, where it was killed in the middle."""
    for aside in path.parent.glob(f"{glob.escape(path.name)}.break.*.*"):
        process = aside.name.removeprefix(f"{path.name}.break.").partition(".")[0]
        if process.isdecimal() and not _alive(int(process), None):
            aside.unlink(missing_ok=True)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # a folder that is not empty stays
            folder.rmdir()


@contextmanager
def fit_lease(folder: Path, *, timeout_s: float = 0.0, reading: bool = False) -> Iterator[SoftFileLease | None]:
    """Hold the folder of a fit, and remove half-written files left by a killed process.

    Args:
        folder: folder of the fit.
        timeout_s: time to wait for another process [s].
        reading: whether a read-only folder may be read without the lease, in which case None is yielded.

    Raises:
        ContractError: another process or thread is using the folder.

    """
    refusal = (
        "is in use by {owner}: wait for it, stop it, or choose another folder; if its machine is gone, try again "
        f"in {LEASE_S:.0f} s"
    )
    if reading and not os.access(folder, os.W_OK):
        yield None
        return
    with hold(folder / LOCK_FILE, refusal, timeout_s=timeout_s) as lease:
        sweep(folder, alone=True)
        yield lease


def check_lease(lease: SoftFileLease | None, folder: Path) -> None:
    """Raise ContractError if the lease was lost: another process may take the folder while this machine sleeps."""
    if lease is not None and lease.compromise is not None:
        raise ContractError(
            folder,
            f"was taken over by another process, or lost its {LOCK_FILE}; this process stops: rerun the same "
            "command to resume from the last checkpoint",
        )


def owner_of(path: Path) -> str | None:
    """Return the name of the process that holds a lock file; None if there is none or it died on this machine."""
    owner = SoftFileLease(path, lease_duration=LEASE_S).owner
    if owner is None:
        return None
    host, _, container = owner.hostname.partition("?")
    if host == socket.gethostname() and not container and not _alive(owner.pid, owner.start):
        return None
    since = ""
    with suppress(OSError, UnicodeDecodeError):
        lines = path.read_text(encoding="utf-8").splitlines()
        since = next((f" since {line.removeprefix(SINCE)}" for line in lines if line.startswith(SINCE)), "")
    silence = _silence_s(path)
    silent = f", silent for {silence / 60:.0f} min" if silence > LEASE_S else ""
    return f"process {owner.pid} on {host}{since}{silent}"


def _alive(pid: int, start: int | None) -> bool:
    """Whether the process on this machine that started at the lease's time still runs; true if unknown."""
    if not Path("/proc/self/stat").exists():
        return True
    try:
        # The command name in parentheses may contain anything; the start time is the twentieth field after it.
        began = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, IndexError):
        return True
    return start is None or began == start % 2**64  # the higher bits identify the boot
