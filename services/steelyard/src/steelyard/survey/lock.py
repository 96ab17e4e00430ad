"""Locks of a survey: one driver per folder, one worker per galaxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLease

from steelyard.lease import LEASE_S, fit_lease, hold, owner_of

__all__ = ["LEASE_S", "driver_lock", "driver_of", "job_lock"]


@contextmanager
def driver_lock(path: Path, *, wait: bool = False) -> Iterator[SoftFileLease]:
    """Hold the folder of a survey; with `wait`, wait for another driver to release it.

    Raises:
        ContractError: another driver holds the folder and `wait` is false.

    """
    refusal = (
        "is held by another driver ({owner}): wait for it (--wait), watch it with `steelyard survey status`, "
        f"or stop it; if its machine is gone, try again in {LEASE_S:.0f} s"
    )
    with hold(path, refusal, timeout_s=-1 if wait else 0) as lease:
        yield lease


def driver_of(path: Path) -> str | None:
    """Return the name of the process that holds a survey's folder; None if none, or one that died here."""
    return owner_of(path)


@contextmanager
def job_lock(folder: Path) -> Iterator[None]:
    """Hold the folder of one galaxy, waiting for an abandoned worker that still runs.

    Raises:
        ContractError: the folder is not released in time.

    """
    with fit_lease(folder, timeout_s=2 * LEASE_S):
        yield
