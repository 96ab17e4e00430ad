"""Facts about telescopes that files leave out."""

from __future__ import annotations

import numpy as np

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


def dish_diameter(telescope: str, diameters_m: np.ndarray | None) -> tuple[float | None, str]:
    """Return the diameter of the dishes and a sentence that says where it is from.

    Args:
        telescope: the file's name for it.
        diameters_m: diameters of the antennas that observed, None or zeros where the file has none.

    """
    known = np.empty(0) if diameters_m is None else np.asarray(diameters_m, dtype=float)
    known = known[np.isfinite(known) & (known > 0)]
    if known.size and np.ptp(known) < 0.01 * known.max():
        return float(np.median(known)), "dish diameter from the antenna table"
    if known.size:
        sizes = ", ".join(f"{d:g}" for d in np.unique(known))
        return None, f"dishes of several diameters ({sizes} m): none stated, give one for the primary beam"
    if (diameter := DISH_M.get(telescope.strip().upper())) is not None:
        return diameter, f"dish diameter not in the file; {diameter:g} m is known for {telescope.strip()}"
    return None, "dish diameter not in the file"
