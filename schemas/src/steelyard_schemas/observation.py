"""What raw and gridded visibilities both say about the observation they come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelyard_schemas.contract import Part

__all__ = ["FrequencyFrame", "Observation"]

FrequencyFrame = Literal["TOPO", "GEO", "BARY", "LSRK", "LSRD", "GALACTO", "REST", "UNKNOWN"]


class Observation(Part):
    """Target, telescope and spectral frame."""

    target: str = Field(description="field name as the file gives it")
    telescope: str
    dish_diameter_m: float | None = Field(gt=0, description="antenna diameter; None where the file does not tell")
    phase_centre_ra_deg: float = Field(ge=0, lt=360, description="J2000/ICRS")
    phase_centre_dec_deg: float = Field(ge=-90, le=90)
    frequency_frame: FrequencyFrame
    rest_frequency_hz: float | None = Field(gt=0, description="of the line; None where the file does not tell")
    array_position_m: tuple[float, float, float] | None = Field(
        default=None,
        description="mean position of the antennas, geocentric (ITRF x, y, z); None where the file does not tell",
    )
