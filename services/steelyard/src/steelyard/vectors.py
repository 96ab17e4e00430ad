"""Vector width of XLA on a CPU: by default it uses only half the width of AVX-512."""

from __future__ import annotations

import os
from importlib.metadata import version

__all__ = ["use_wide_vectors", "wide_vectors"]

VARIABLE = "XLA_FLAGS"
FLAG = "--xla_cpu_prefer_vector_width"
WIDEST = 512
"""Preferred width [bits]; on a narrower CPU, XLA uses the available width."""
UNTRIED = (0, 13)
"""First untested version of jaxlib: XLA aborts on unknown flags, so the flag is not set from here on."""


def wide_vectors() -> dict[str, str]:
    """Return the environment variable that enables wide vectors; a width already set is kept."""
    flags = os.environ.get(VARIABLE, "")
    jaxlib = tuple(int(part) for part in version("jaxlib").split(".")[:2])
    if FLAG in flags or jaxlib >= UNTRIED:
        return {VARIABLE: flags}
    return {VARIABLE: f"{flags} {FLAG}={WIDEST}".strip()}


def use_wide_vectors() -> None:
    """Enable wide vectors in this process; call before JAX is used, later calls have no effect."""
    os.environ.update(wide_vectors())
