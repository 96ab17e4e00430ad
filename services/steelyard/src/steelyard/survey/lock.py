"""Who may write: one driver per survey, one worker per galaxy.

A lease is a file that its owner refreshes; it works on network file systems, where locks of the operating system may
not. An owner that has died on this machine loses it at once, one on another machine after `LEASE_S` without a sign.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout
from steelyard_schemas import ContractError

__all__ = ["LEASE_S", "driver_lock", "driver_of", "job_lock"]

LEASE_S = 60.0


@contextmanager
def driver_lock(path: Path, *, wait: bool = False) -> Iterator[SoftFileLease]:
    """Hold a survey's folder.

    Raises:
        ContractError: another driver holds it, and `wait` is false.

    """
    made = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(path, lease_duration=LEASE_S, timeout=-1 if wait else 0)
    try:
        lease.acquire()
    except Timeout as error:
        raise ContractError(
            path.parent,
            f"is in the hands of another driver ({_owner(lease)}): wait for it (--wait), watch it with `steelyard "
            f"survey status {path.parent}`, or stop it; if its machine is gone, try again in {LEASE_S:.0f} s",
        ) from error
    try:
        yield lease
    finally:
        lease.release()
        if made:
            with suppress(OSError):  # of a refused sample nothing stays; a folder with anything in it does
                path.parent.rmdir()


def driver_of(path: Path) -> str | None:
    """Name the process that holds a survey's folder; None if nobody does, or one of this machine that has died."""
    lease = SoftFileLease(path, lease_duration=LEASE_S)
    owner = lease.owner
    if owner is None:
        return None
    here = owner.hostname.split("?")[0] == socket.gethostname()
    return None if here and not Path(f"/proc/{owner.pid}").exists() and Path("/proc/self").exists() else _owner(lease)


@contextmanager
def job_lock(folder: Path) -> Iterator[None]:
    """Hold one galaxy's folder; wait for a worker that was given up but still runs.

    Raises:
        ContractError: it does not come free.

    """
    folder.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(folder / "worker.lock", lease_duration=LEASE_S, timeout=2 * LEASE_S)
    try:
        lease.acquire()
    except Timeout as error:
        raise ContractError(
            folder, f"another worker still writes there ({_owner(lease)}): run again later"
        ) from error
    try:
        yield
    finally:
        lease.release()


def _owner(lease: SoftFileLease) -> str:
    owner = lease.owner
    return "unknown process" if owner is None else f"process {owner.pid} on {owner.hostname.split('?')[0]}"
