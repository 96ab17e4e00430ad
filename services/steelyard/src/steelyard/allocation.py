"""Memory allocation: keep freed memory in the process for the next evaluation."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["KEEP_FREED_MEMORY", "keep_freed_memory"]

# Parameters of mallopt(3), as in <malloc.h> of the GNU C library.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
NEVER = -1
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(sys.maxsize),
    "MALLOC_ARENA_MAX": "1",
}
"""Environment variables that give a new process the behaviour of `keep_freed_memory`."""


def keep_freed_memory() -> bool:
    """Keep freed memory instead of returning it to the operating system; return whether that was possible.

    XLA allocates its intermediate arrays anew in each call, on a CPU with malloc. The GNU C library returns such
    large blocks at once, so each call makes the system map and clear the same pages again, which may take as long as
    the arithmetic. In return, the process never shrinks.

    Call this before JAX starts its threads, which importing `sampler` triggers: existing threads keep their own
    arenas. It affects the whole process, so only commands call it, never library functions.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    # One arena: arenas of threads cannot hold blocks larger than 64 MiB.
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_ARENA_MAX, 1))
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)
