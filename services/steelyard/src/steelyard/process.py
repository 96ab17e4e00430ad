"""Process settings made before JAX starts: memory allocation, CPU devices and vector width.

They affect the whole process, so only commands and workers make them, never library functions.
"""

from __future__ import annotations

from steelyard.allocation import KEEP_FREED_MEMORY, keep_freed_memory
from steelyard.cores import divide_cores, division
from steelyard.vectors import use_wide_vectors, wide_vectors

__all__ = ["process_environment", "settle_process"]


def settle_process() -> None:
    """Set malloc, CPU devices and XLA flags; call before JAX is used, which importing `sampler` does."""
    keep_freed_memory()
    divide_cores()
    use_wide_vectors()


def process_environment(cores: int) -> dict[str, str]:
    """Return the environment variables that make the same settings in a new process with `cores` cores."""
    return KEEP_FREED_MEMORY | division(cores) | wide_vectors()
