"""Facts about telescopes that files leave out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["dish_diameter"]

DISH_M = {
    "ALMA": 12.0,
    "ACA": 7.0,
    "ASKAP": 12.0,
    "ATCA": 22.0,
    "EVLA": 25.0,
    "GMRT": 45.0,
    "JVLA": 25.0,
    "MEERKAT": 13.5,
    "NOEMA": 15.0,
    "SMA": 6.0,
    "VLA": 25.0,
    "VLBA": 25.0,
    "WSRT": 25.0,
}
"""Arrays of equal dishes, diameters in metres as their observatories state them."""
ALIKE = 0.01
"""Diameters that differ by less than this fraction are those of one dish."""


def dish_diameter(
    where: object, telescope: str, diameters_m: np.ndarray | None, names: Sequence[object]
) -> tuple[float | None, str]:
    """Return the diameter of the dishes and a line of history that says where it is from.

    Args:
        where: the file, for messages.
        telescope: the file's name for it.
        diameters_m: diameters of the antennas that observed, None or zeros where the file has none.
        names: names or numbers of those antennas, in the same order.

    Raises:
        ContractError: the dishes are of several diameters, so that no one primary beam is right.

    """
    found = np.full(len(names), np.nan) if diameters_m is None else np.asarray(diameters_m, dtype=float)
    known = np.isfinite(found) & (found > 0)
    if known.any():
        if np.ptp(found[known]) >= ALIKE * found[known].max():
            raise _several(where, found, known, names)
        diameter = float(np.median(found[known]))
        if known.all():
            return diameter, "dish diameter from the antenna table"
        rest = _listing(name for name, has in zip(names, known, strict=True) if not has)
        return diameter, (
            f"assumed a dish of {diameter:g} m, that of the other antennas, for {rest}: "
            "the antenna table has no diameter for it; write it there"
        )
    telescope = telescope.strip()
    if (standard := DISH_M.get(telescope.upper())) is not None:
        return standard, (
            f"assumed a dish of {standard:g} m, known for {telescope}: the file has no diameters; "
            "write others in its antenna table"
        )
    return None, (
        f"assumed no primary beam: the file has no dish diameters, and {telescope or 'its telescope'} is not a known "
        "array; write the diameters in its antenna table"
    )


def _several(where: object, diameters_m: np.ndarray, known: np.ndarray, names: Sequence[object]) -> ContractError:
    sizes: list[float] = []
    for diameter in np.unique(diameters_m[known]).tolist():
        if not sizes or diameter - sizes[-1] >= ALIKE * diameter:
            sizes.append(diameter)
    of_size = [
        [n for n, d in zip(names, diameters_m.tolist(), strict=True) if size <= d and d - size < ALIKE * d]
        for size in sizes
    ]
    listing = "; ".join(f"{size:g} m: {_listing(mine)}" for size, mine in zip(sizes, of_size, strict=True))
    return ContractError(
        where,
        f"has dishes of several diameters ({listing}), which share no primary beam; split it into one file for each "
        f"diameter, e.g. in CASA split(antenna='{','.join(str(n) for n in of_size[0])}&')",
    )


def _listing(names: object) -> str:
    return ", ".join(str(name) for name in names)  # type: ignore[attr-defined]
