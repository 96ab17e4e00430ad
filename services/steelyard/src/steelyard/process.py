"""What a process settles before JAX starts in it: how it allocates, and how it uses a CPU.

A matter of the whole process, so that commands and workers settle it, and functions never do.
"""

from __future__ import annotations

from steelyard.allocation import KEEP_FREED_MEMORY, keep_freed_memory
from steelyard.cores import divide_cores, division
from steelyard.vectors import use_wide_vectors, wide_vectors

__all__ = ["process_environment", "settle_process"]


def settle_process() -> None:
    """Make this process one that computes fast; to be called before JAX is used, which importing `sampler` does."""
    keep_freed_memory()
    divide_cores()
    use_wide_vectors()


def process_environment(cores: int) -> dict[str, str]:
    """Environment variables with which a process that is yet to be started is settled for so many cores."""
    return KEEP_FREED_MEMORY | division(cores) | wide_vectors()
