"""Scans: choosing them by number, and numbering them where a file does not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["SCAN_GAP", "choose_scans", "scans_by_pauses"]

SCAN_GAP = 2.5
"""A pause longer than this many typical integrations starts a new scan."""


def choose_scans(where: object, present: Iterable[int], wanted: str | int) -> list[int]:
    """Return the scan numbers that a selection as CASA writes it names, ascending.

    Args:
        where: the file, for messages.
        present: numbers of the scans that hold data.
        wanted: numbers and ranges with both ends, "3,5~9".

    Raises:
        ContractError: the selection cannot be read, or a part of it names no scan that holds data.

    """
    numbers = sorted(set(present))
    chosen: set[int] = set()
    for part in str(wanted).split(","):
        ends = [end.strip() for end in part.split("~")]
        if len(ends) > 2 or not all(end.isdecimal() for end in ends):
            raise ContractError(where, f"cannot select scan={wanted}; numbers and ranges are due, e.g. 3,5~9")
        first, last = int(ends[0]), int(ends[-1])
        fitting = [number for number in numbers if first <= number <= last]
        if not fitting:
            raise ContractError(where, f"has no scan={part.strip()}; it holds {_ranges(numbers)}")
        chosen.update(fitting)
    return sorted(chosen)


def _ranges(numbers: list[int]) -> str:
    """Write ascending numbers as a selection would."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}~{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs) or "none"


def scans_by_pauses(moments_s: np.ndarray) -> np.ndarray:
    """Number the scans, from 1, by pauses longer than SCAN_GAP typical integrations.

    Args:
        moments_s: the distinct times of an observation, ascending, s.

    Returns:
        The number of each moment's scan.

    """
    step = np.diff(moments_s)
    # Rows of one integration may differ by rounding; half a second tells integrations apart.
    typical = np.median(step[step > 0.5]) if np.any(step > 0.5) else np.inf
    return 1 + np.concatenate([[0], np.cumsum(step > SCAN_GAP * typical)])
