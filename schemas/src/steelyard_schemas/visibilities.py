"""Contract `visibilities`: one field, one spectral window, Stokes I, as read from any format."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.observation import Observation

__all__ = ["Visibilities"]


class Visibilities(StoreContract):
    """Ungridded Stokes I visibilities.

    Sign convention: V(u, v) = sum I(l, m) exp(+2 pi i (u l + v m)), as CASA stores them. Each baseline appears
    once. Channels ascend in frequency. `weight` is the inverse variance of the real (or imaginary) part,
    as given in the file; flagged samples have weight 0.
    """

    kind: Literal["visibilities"] = "visibilities"
    schema_version: Literal["1.1"] = "1.1"
    observation: Observation
    source: str = Field(description="name of the file that was read, without its folder")
    history: tuple[str, ...] = Field(default=(), description="what was done to the data, in order")

    ARRAYS: ClassVar[tuple[ArraySpec, ...]] = (
        ArraySpec("u_m", ("row",), "float64", "m", "baseline coordinate to the east"),
        ArraySpec("v_m", ("row",), "float64", "m", "baseline coordinate to the north"),
        ArraySpec("w_m", ("row",), "float64", "m", "baseline coordinate to the source"),
        ArraySpec("vis", ("row", "channel"), "complex64", "Jy", "Stokes I visibility"),
        ArraySpec("weight", ("row", "channel"), "float32", "Jy^-2", "inverse variance; 0 where flagged"),
        ArraySpec("flag", ("row", "channel"), "bool", "", "true where the sample must not be used"),
        ArraySpec("time_mjd_s", ("row",), "float64", "s", "UTC, modified Julian date in seconds"),
        ArraySpec("antenna1", ("row",), "int32", "", "first antenna of the baseline"),
        ArraySpec("antenna2", ("row",), "int32", "", "second antenna of the baseline"),
        ArraySpec("scan", ("row",), "int32", "", "scan number"),
        ArraySpec("frequency_hz", ("channel",), "float64", "Hz", "channel centre"),
        ArraySpec("channel_width_hz", ("channel",), "float64", "Hz", "channel width, positive"),
    )
