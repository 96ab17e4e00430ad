"""Division of a CPU among chains: JAX sees several devices, each running its own chains."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["available_cores", "divide_cores", "division"]

MOST_PARTS = 4
"""Maximum number of devices, the chains of a default fit; each holds a copy of the data."""
VARIABLE = "JAX_NUM_CPU_DEVICES"


def division(cores: int) -> dict[str, str]:
    """Return the environment variable that makes a new process divide `cores` cores among devices."""
    return {VARIABLE: str(max(1, min(cores, MOST_PARTS)))}


def divide_cores() -> None:
    """Present the cores of this process to JAX as several devices; the environment takes precedence.

    Not all work of one model parallelises over cores, but that of several chains does (`sampler.devices`). Call this
    before JAX is used, which importing `sampler` does; later calls have no effect. It affects the whole process, so
    only commands call it, never library functions. GPUs are unaffected.
    """
    if VARIABLE in os.environ:
        return
    variables = division(available_cores())
    if "jax" not in sys.modules:
        os.environ.update(variables)  # read by JAX when it is imported
        return
    with suppress(RuntimeError):  # JAX is already in use
        sys.modules["jax"].config.update(VARIABLE.lower(), int(variables[VARIABLE]))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
