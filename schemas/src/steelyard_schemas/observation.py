"""Description of an observation, shared by raw and gridded visibilities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelyard_schemas.contract import Part

__all__ = ["FrequencyFrame", "Observation"]

FrequencyFrame = Literal["TOPO", "GEO", "BARY", "LSRK", "LSRD", "GALACTO", "REST", "UNKNOWN"]


class Observation(Part):
    """Target, telescope and spectral frame."""

    target: str = Field(description="field name in the file")
    telescope: str
    dish_diameter_m: float | None = Field(gt=0, description="antenna diameter; None if unknown")
    phase_centre_ra_deg: float = Field(ge=0, lt=360, description="J2000/ICRS")
    phase_centre_dec_deg: float = Field(ge=-90, le=90)
    frequency_frame: FrequencyFrame
    rest_frequency_hz: float | None = Field(gt=0, description="rest frequency of the line; None if unknown")
    array_position_m: tuple[float, float, float] | None = Field(
        default=None,
        description="mean position of the antennas, geocentric (ITRF x, y, z); None if unknown",
    )
