"""Let XLA use the widest vectors that a CPU has: unless told to, it takes half of AVX-512."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["VARIABLE", "with_wide_vectors"]

VARIABLE = "XLA_FLAGS"
FLAG = "--xla_cpu_prefer_vector_width"
WIDEST = 512
"""Bits; where a CPU has less, XLA takes what it has."""
UNTRIED = (0, 13)
"""Of jaxlib: from here on it is not known whether XLA knows the flag, and it ends a process that has one unknown."""


def with_wide_vectors(flags: str) -> str:
    """Return flags for XLA, the variable `XLA_FLAGS`, with that for wide vectors unless it is among them."""
    jaxlib = tuple(int(part) for part in version("jaxlib").split(".")[:2])
    if FLAG in flags or jaxlib >= UNTRIED:
        return flags
    return f"{flags} {FLAG}={WIDEST}".strip()
