"""Divide a CPU among chains: JAX sees it as several devices, each of which carries chains of its own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["MOST_PARTS", "divide_cores", "parts_of"]

MOST_PARTS = 4
"""Chains of a default fit; each part holds a copy of the data."""
VARIABLE = "JAX_NUM_CPU_DEVICES"


def parts_of(cores: int) -> int:
    """Return how many devices a CPU of so many cores is to be."""
    return max(1, min(cores, MOST_PARTS))


def divide_cores() -> None:
    """Make the cores of this process several devices; what the environment says goes first.

    Not all work of a model can be spread over cores, that of several chains can (`sampler.devices`). To be called
    before JAX is used, for the whole process: commands call it, and functions never do. GPUs are not touched.
    """
    if VARIABLE in os.environ:
        return
    parts = parts_of(_available_cores())
    if "jax" not in sys.modules:
        os.environ[VARIABLE] = str(parts)  # read by JAX when it is imported
        return
    with suppress(RuntimeError):  # JAX is in use already
        sys.modules["jax"].config.update(VARIABLE.lower(), parts)


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
