"""Number of significant decimals of a parameter."""

from math import floor, log10

__all__ = ["decimals"]


def decimals(sd: float) -> int:
    """Return the number of decimals needed to resolve a tenth of the standard deviation."""
    return min(max(0, 1 - floor(log10(sd))), 8) if sd > 0 else 3
