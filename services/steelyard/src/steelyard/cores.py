"""Divide a CPU among chains: JAX sees it as several devices, each of which carries chains of its own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["available_cores", "divide_cores", "division"]

MOST_PARTS = 4
"""Chains of a default fit; each part holds a copy of the data."""
VARIABLE = "JAX_NUM_CPU_DEVICES"


def division(cores: int) -> dict[str, str]:
    """Environment variable with which a process that is yet to be started divides so many cores."""
    return {VARIABLE: str(max(1, min(cores, MOST_PARTS)))}


def divide_cores() -> None:
    """Make the cores of this process several devices; what the environment says goes first.

    Not all work of a model can be spread over cores, that of several chains can (`sampler.devices`). To be called
    before JAX is used, which importing `sampler` does; later it changes nothing. A matter of the whole process, so
    that commands call it, and functions never do. GPUs are not touched.
    """
    if VARIABLE in os.environ:
        return
    variables = division(available_cores())
    if "jax" not in sys.modules:
        os.environ.update(variables)  # read by JAX when it is imported
        return
    with suppress(RuntimeError):  # JAX is in use
        sys.modules["jax"].config.update(VARIABLE.lower(), int(variables[VARIABLE]))


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
