"""What a process settles before JAX starts in it: how it allocates, and how it uses a CPU.

A matter of the whole process, so that commands and workers settle it, and functions never do.
"""

from __future__ import annotations

import os

from steelyard import vectors
from steelyard.allocation import KEEP_FREED_MEMORY, keep_freed_memory
from steelyard.cores import divide_cores, division

__all__ = ["process_environment", "settle_process"]


def settle_process() -> None:
    """Make this process one that computes fast; to be called before JAX is used, which importing `sampler` does."""
    keep_freed_memory()
    divide_cores()
    os.environ[vectors.VARIABLE] = vectors.with_wide_vectors(os.environ.get(vectors.VARIABLE, ""))


def process_environment(cores: int) -> dict[str, str]:
    """Environment variables with which a process that is yet to be started is settled for so many cores."""
    flags = vectors.with_wide_vectors(os.environ.get(vectors.VARIABLE, ""))
    return {**KEEP_FREED_MEMORY, **division(cores), vectors.VARIABLE: flags}
