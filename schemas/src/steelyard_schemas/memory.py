"""Memory available to this process, and a check that a task fits into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from steelyard_schemas.errors import ContractError

__all__ = ["machine_memory", "require_memory"]

GIB = 2**30
CGROUPS = Path("/sys/fs/cgroup")


def machine_memory() -> int | None:
    """Return the memory available to this process [bytes], limited by the machine or container; None if unknown."""
    limits = list(_cgroup_limits())
    with suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((limit for limit in limits if limit > 0), default=None)


def _cgroup_limits() -> Iterator[int]:
    """Yield the memory limits of this process's control groups (v1, v2) and their parents."""
    groups = ["/"]
    with suppress(OSError):
        groups += [line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for group in groups:
        path = Path(group.lstrip("/"))
        for part in (path, *path.parents):
            for file in (CGROUPS / part / "memory.max", CGROUPS / "memory" / part / "memory.limit_in_bytes"):
                with suppress(OSError, ValueError):  # "max" is no limit
                    yield int(file.read_text())


def require_memory(where: object, what: str, n_bytes: float, advice: str) -> None:
    """Check that a task fits in memory before hours are spent on it.

    Args:
        where: file or option that requires the memory.
        what: description such as "a grid of 12 x 100000 x 100000 pixels".
        n_bytes: minimum memory needed [bytes].
        advice: remedy.

    Raises:
        ContractError: less memory is available.

    """
    have = machine_memory()
    if have is not None and n_bytes > have:
        raise ContractError(
            where, f"{what} needs {n_bytes / GIB:.4g} GiB of memory, this machine has {have / GIB:.3g} GiB: {advice}"
        )
