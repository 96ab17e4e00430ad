"""Let the C library keep the memory that a process frees, for the next evaluation of the same program."""

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
"""Environment variables with which a process that is yet to be started does what `keep_freed_memory` does."""


def keep_freed_memory() -> bool:
    """Hold on to freed memory instead of giving it back to the operating system; return whether that was possible.

    XLA allocates its intermediate arrays anew with each call, and on a CPU takes them from malloc. The GNU C library
    returns blocks as large as these at once, so that each call has the system map and clear the same pages again,
    which may take as long as the arithmetic. The process stays as large as it once was.

    To be called before JAX starts its threads, which importing `sampler` makes it do: threads that are there keep
    arenas of their own. A matter of the whole process, so that commands call it, and functions never do.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    # One arena: that of a thread cannot hold what is larger than 64 MiB.
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_ARENA_MAX, 1))
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)
