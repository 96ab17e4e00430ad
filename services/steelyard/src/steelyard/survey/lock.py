"""Who may write in a survey: one driver for its folder, one worker per galaxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLease

from steelyard.lease import LEASE_S, fit_lease, hold, owner_of

__all__ = ["LEASE_S", "driver_lock", "driver_of", "job_lock"]


@contextmanager
def driver_lock(path: Path, *, wait: bool = False) -> Iterator[SoftFileLease]:
    """Hold a survey's folder.

    Raises:
        ContractError: another driver holds it, and `wait` is false.

    """
    refusal = (
        "is in the hands of another driver ({owner}): wait for it (--wait), watch it with `steelyard survey status`, "
        f"or stop it; if its machine is gone, try again in {LEASE_S:.0f} s"
    )
    with hold(path, refusal, timeout_s=-1 if wait else 0) as lease:
        yield lease


def driver_of(path: Path) -> str | None:
    """Name the process that holds a survey's folder; None if nobody does, or one of this machine that has died."""
    return owner_of(path)


@contextmanager
def job_lock(folder: Path) -> Iterator[None]:
    """Hold one galaxy's folder; wait for a worker that was given up but still runs.

    Raises:
        ContractError: it does not come free.

    """
    with fit_lease(folder, timeout_s=2 * LEASE_S):
        yield
