"""Baseline coordinates of a UVFITS file turned to metres in the frame of the source, north and east of ICRS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.readers.common.directions import north_angle_rad
from vis_gridder.readers.uvfits.parameters import BaselineNames
from vis_gridder.readers.uvfits.sources import SourceRow
from vis_gridder.readers.uvfits.tables import header_axis

__all__ = ["ToMetres", "to_metres"]

LONGEST_S = 2.0
"""Light seconds that no baseline exceeds: RadioAstron's reached 1.2."""
EARTH_S = 0.05
"""Light seconds that no baseline on the Earth exceeds (0.043); fewer wavelengths than that are no interferometer."""


@dataclass(frozen=True, eq=False)
class ToMetres:
    """A scale, and a rotation [3, 3] or None, from the file's u, v, w to ours."""

    scale_m: float
    rotation: np.ndarray | None

    def __call__(self, uvw: np.ndarray) -> np.ndarray:
        """Return coordinates [coordinate, row], m."""
        metres = uvw * self.scale_m
        return metres if self.rotation is None else self.rotation @ metres


def to_metres(
    where: object, header: Any, names: BaselineNames, longest: float, reference_hz: float, source: SourceRow
) -> tuple[ToMetres, list[str]]:
    """Return how to get u, v, w of a source in metres, and lines of history about it.

    Args:
        where: the file, for messages.
        header: that of the groups.
        names: what the random parameters' names say.
        longest: the longest coordinate in the file.
        reference_hz: the reference frequency.
        source: whose declination the frame of the pole is turned by.

    Raises:
        ContractError: the coordinates are in another unit, or rotated on the sky.

    """
    for kind in ("RA", "DEC"):
        if (at := header_axis(header, kind)) and abs(angle := float(header.get(f"CROTA{at}", 0.0))) > 1e-3:
            raise ContractError(
                where, f"has u, v rotated on the sky (CROTA{at} = {angle:g} deg); export it without a rotation"
            )
    scale_m, notes = _scale(where, names, longest, reference_hz)
    turns = []
    if names.frame == "NCP":
        turns.append(_from_pole(np.radians(source.dec_deg)))
        notes.append(
            f"assumed that {names.names[2]} is towards the north celestial pole, as AIPS Memo 117 defines it, and "
            f"turned u, v, w to the source at declination {source.dec_deg:.4f} deg; name them UU---SIN, VV---SIN, "
            "WW---SIN if w is towards the source"
        )
    if angle := north_angle_rad(source.ra_deg, source.dec_deg, source.equinox):
        turns.append(_about_source(angle))
        notes.append(
            f"turned u, v by {np.degrees(angle):.4f} deg, from north of equinox {source.equinox:g} to north of J2000"
        )
    rotation = np.linalg.multi_dot([*turns[::-1], np.eye(3)]) if turns else None
    return ToMetres(scale_m, rotation), notes


def _scale(where: object, names: BaselineNames, longest: float, reference_hz: float) -> tuple[float, list[str]]:
    if names.wavelengths:
        if not 0 < longest < EARTH_S:
            return SPEED_OF_LIGHT_M_S / reference_hz, []
        return SPEED_OF_LIGHT_M_S, [
            f"assumed that {', '.join(names.names)} are in seconds though -L stands for wavelengths: with PSCAL they "
            f"reach only {longest:.3g}; take PSCAL out if they are in wavelengths"
        ]
    if longest > LONGEST_S:
        raise ContractError(
            where,
            f"has u, v, w up to {longest:.4g} where light seconds are due: metres or wavelengths, it seems; set "
            "PSCAL to 1/299792458 for metres, to 1/frequency for wavelengths",
        )
    return SPEED_OF_LIGHT_M_S, []


def _from_pole(dec_rad: float) -> np.ndarray:
    """Return the rotation about u from w towards the north pole, v away from the source, to w towards the source.

    AIPS Memo 117, section 3.1.2. With p the pole and e the source's projection on the equator, v_NCP is along -e and
    w_NCP along p; the source is at cos(dec) e + sin(dec) p and north of it at -sin(dec) e + cos(dec) p.
    """
    c, s = np.cos(dec_rad), np.sin(dec_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, s, c], [0.0, -c, s]])


def _about_source(angle_rad: float) -> np.ndarray:
    """Return the rotation to axes from whose north the file's north is at a position angle."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
