"""Let XLA use the widest vectors that a CPU has: unless told to, it takes half of AVX-512."""

from __future__ import annotations

import os
from importlib.metadata import version

__all__ = ["use_wide_vectors", "wide_vectors"]

VARIABLE = "XLA_FLAGS"
FLAG = "--xla_cpu_prefer_vector_width"
WIDEST = 512
"""Bits; where a CPU has less, XLA takes what it has."""
UNTRIED = (0, 13)
"""Of jaxlib: from here on it is not known whether XLA knows the flag, and it ends a process that has one unknown."""


def wide_vectors() -> dict[str, str]:
    """Environment variable with which a process uses wide vectors; a width that it names already stays."""
    flags = os.environ.get(VARIABLE, "")
    jaxlib = tuple(int(part) for part in version("jaxlib").split(".")[:2])
    if FLAG in flags or jaxlib >= UNTRIED:
        return {VARIABLE: flags}
    return {VARIABLE: f"{flags} {FLAG}={WIDEST}".strip()}


def use_wide_vectors() -> None:
    """Make this process one that does; to be called before JAX is used, later it changes nothing."""
    os.environ.update(wide_vectors())
