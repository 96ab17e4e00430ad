"""The names of a UVFITS file's random parameters: which make up what, and what is not known of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard_schemas import ContractError

__all__ = ["BaselineNames", "baseline_names", "canonical", "unknown_parameters"]

READ = {"DATE", "BASELINE", "SUBARRAY", "ANTENNA1", "ANTENNA2", "SOURCE", "FREQSEL"}
PASSED_OVER = {"INTTIM", "CORR-ID", "GATEID", "FILTER", "LST"}
"""Parameters that say nothing about what is read here."""
BASELINE = re.compile(r"(UU?|VV?|WW?)(-L)?-*([A-Z]*)")
"""AIPS Memo 117, section 3.1.2: a coordinate, and a suffix for its frame; AIPS itself has -L for wavelengths."""
VITAL = re.compile(r"DATE|TIME|UU|VV|WW|BASELINE|SUBARRAY|ANTENNA|SOURCE|FREQSEL")
FRAMES = ("SIN", "NCP")


def canonical(name: str) -> str:
    """Return what a parameter contributes to: parameters of one name are parts of a sum.

    astropy puts underscores before a name that it has had, and some writers number the parts of the date.
    """
    name = name.strip().upper().lstrip("_")
    return "DATE" if name in ("DATE1", "DATE2") else name


@dataclass(frozen=True)
class BaselineNames:
    """The parameters u, v and w, the frame they are in (SIN or NCP), and whether they are named as wavelengths."""

    names: tuple[str, str, str]
    frame: str
    wavelengths: bool


def baseline_names(where: object, names: Sequence[str]) -> BaselineNames:
    """Find u, v and w among canonical names.

    Raises:
        ContractError: one is missing, they are in different frames, or in one that is not known.

    """
    found: dict[str, dict[str, tuple[str, bool]]] = {"U": {}, "V": {}, "W": {}}
    for name in names:
        if match := BASELINE.fullmatch(name):
            found[name[0]][name] = (match[3] or "SIN", match[2] is not None)
    for letter, mine in found.items():
        if not mine:
            raise ContractError(where, f"lacks the random parameter {2 * letter}; export the UVFITS file again")
    kinds = {kind for mine in found.values() for kind in mine.values()}
    if len(kinds) > 1 or any(len(mine) > 1 for mine in found.values()):
        listing = ", ".join(name for mine in found.values() for name in mine)
        raise ContractError(where, f"has u, v, w of several kinds ({listing}); keep one kind, e.g. UU---SIN")
    frame, wavelengths = kinds.pop()
    if frame not in FRAMES:
        raise ContractError(
            where,
            f"has u, v, w in the frame {frame}, which AIPS Memo 117 does not have; turn them to SIN, e.g. by UVFIX",
        )
    u, v, w = (next(iter(mine)) for mine in found.values())
    return BaselineNames((u, v, w), frame, wavelengths)


def unknown_parameters(where: object, names: Sequence[str]) -> list[str]:
    """Return the canonical names that mean nothing here.

    Raises:
        ContractError: such a name looks like a part of a time, a baseline or another thing that is read.

    """
    unknown = [n for n in dict.fromkeys(names) if n not in READ | PASSED_OVER and not BASELINE.fullmatch(n)]
    if vital := [name for name in unknown if VITAL.match(name)]:
        raise ContractError(
            where,
            f"has the random parameter {', '.join(vital)}, whose part is not known; name it as AIPS Memo 117 does "
            "(halves of the date are both DATE)",
        )
    return unknown
