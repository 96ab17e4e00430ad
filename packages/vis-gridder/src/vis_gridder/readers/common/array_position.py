"""Geocentric position of an array."""

from __future__ import annotations

import numpy as np

__all__ = ["array_position"]

FROM_CENTRE_M = (6.3e6, 6.4e6)
"""Distances from the centre of the Earth at which antennas stand, with a margin: 6 356 752 m at the poles to
6 384 000 m on Chajnantor. Simulators leave local coordinates, whose lengths are those of baselines."""


def array_position(positions_m: np.ndarray) -> tuple[float, float, float] | None:
    """Return the mean of antenna positions [antenna, xyz], geocentric, m; None where they are not on the Earth."""
    positions = np.asarray(positions_m, float).reshape(-1, 3)
    if not positions.size or not np.all(np.isfinite(positions)):
        return None
    x, y, z = positions.mean(axis=0)
    if not FROM_CENTRE_M[0] < np.hypot(np.hypot(x, y), z) < FROM_CENTRE_M[1]:
        return None
    return float(x), float(y), float(z)
