"""Contract `gridded_visibilities`: cell means and their noise on a half plane, ready for a likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import Part, StoreContract
from steelyard_schemas.observation import Observation

__all__ = ["GriddedVisibilities", "Kernel", "NoiseReport"]


class Kernel(Part):
    """Gridding kernel K(x) = I0(beta sqrt(1 - (2 x / width)^2)) in u and v, x in cells.

    "none", with width and beta 0, denotes cells that hold the visibility function at their centres without averaging,
    such as those from the Fourier transform of an image; a model then needs no taper.
    """

    name: Literal["kaiser_bessel", "none"] = "kaiser_bessel"
    width_cells: float = Field(ge=0)
    beta: float = Field(ge=0)

    @model_validator(mode="after")
    def _none_has_no_width(self) -> Self:
        if self.name == "none" and (self.width_cells or self.beta):
            raise ValueError(
                f"kernel 'none' has width_cells {self.width_cells:g} and beta {self.beta:g}, expected 0 and 0"
            )
        if self.name != "none" and self.width_cells == 0:
            raise ValueError("kernel width is 0 cells; use the kernel 'none' if cells are not averaged")
        return self


class NoiseReport(Part):
    """Noise measured by the gridder, and counts of used and omitted data."""

    visibility_noise_jy: float = Field(
        gt=0,
        description="median standard deviation of the real part of one Stokes I visibility, from time differences",
    )
    weight_scale: float = Field(
        gt=0, description="factor that converts the file's weights to inverse variances; 1 if they were correct"
    )
    n_used: int = Field(ge=0, description="visibility-channels gridded")
    n_flagged: int = Field(ge=0, description="visibility-channels skipped as flagged")
    n_outside: int = Field(ge=0, description="visibility-channels beyond the edge of the uv grid")
    n_cells_scatter: int = Field(ge=0, description="cells whose variance is measured from their scatter")
    n_cells_propagated: int = Field(ge=0, description="cells whose variance is propagated from time differences")

    @classmethod
    def of_cells(cls, variance: np.ndarray, mask: np.ndarray) -> Self:
        """Build the report for cells averaged elsewhere, counting each as one visibility.

        Args:
            variance: variance of the real or imaginary part of the cells [Jy^2], any shape.
            mask: cells containing data, at least one, same shape.

        """
        n_cells = int(np.count_nonzero(mask))
        return cls(
            visibility_noise_jy=float(np.sqrt(np.median(variance[mask]))),
            weight_scale=1.0,
            n_used=n_cells,
            n_flagged=0,
            n_outside=0,
            n_cells_scatter=0,
            n_cells_propagated=n_cells,
        )


class GriddedVisibilities(StoreContract):
    """Stokes I visibilities averaged in uv cells, each baseline counted once.

    The half plane is that of `numpy.fft.rfft2` over an image `[y, x]` of `npix` x `npix` pixels: `v` in the order
    of `fftfreq`, `u` in that of `rfftfreq`, both times `1 / cell`. Cells hold the mean of V(u, v) =
    sum I exp(+2 pi i (u l + v m)), weighted by weight times kernel. `variance` is that of the real (or of the
    imaginary) part of the mean. Where `mask` is false, a cell contains no data and its arrays are zero.

    With `cell_moments`, moments of the sample positions are included: with (x, y) = (u, v) minus the cell centre, in
    cells and after conjugation to this half plane, the means of x, y, x x, x y and y y, weighted like `mean`.
    The second moments are about the centre of the cell, not about the first moments.
    """

    kind: Literal["gridded_visibilities"] = "gridded_visibilities"
    schema_version: Literal["1.2"] = "1.2"
    observation: Observation
    npix: int = Field(ge=8, description="image pixels along a side")
    cell_arcsec: float = Field(gt=0, description="image pixel size")
    channel_width_hz: float = Field(gt=0)
    kernel: Kernel
    noise: NoiseReport
    source: str
    sources: tuple[str, ...] = Field(default=(), description="names of the data sets if several were gridded")
    history: tuple[str, ...] = ()
    cell_moments: bool = Field(default=False, description="true if the moments of the sample positions are kept")

    ARRAYS: ClassVar[tuple[ArraySpec, ...]] = (
        ArraySpec("mean", ("channel", "v", "u"), "complex64", "Jy", "weighted mean visibility"),
        ArraySpec("variance", ("channel", "v", "u"), "float32", "Jy^2", "variance of the real part of the mean"),
        ArraySpec("dof", ("channel", "v", "u"), "float32", "", "degrees of freedom of that variance"),
        ArraySpec("count", ("channel", "v", "u"), "int32", "", "visibilities in the cell"),
        ArraySpec("mask", ("channel", "v", "u"), "bool", "", "true where the cell holds data"),
        ArraySpec("frequency_hz", ("channel",), "float64", "Hz", "channel centre, ascending, evenly spaced"),
        ArraySpec("u_wavelengths", ("u",), "float64", "", "cell centre, in wavelengths"),
        ArraySpec("v_wavelengths", ("v",), "float64", "", "cell centre, in wavelengths"),
    )
    ARRAYS_IF: ClassVar[Mapping[str, tuple[ArraySpec, ...]]] = {
        "cell_moments": (
            ArraySpec("offset_u", ("channel", "v", "u"), "float16", "", "mean of x; cells from the cell's centre"),
            ArraySpec("offset_v", ("channel", "v", "u"), "float16", "", "mean of y; cells from the cell's centre"),
            ArraySpec("spread_uu", ("channel", "v", "u"), "float16", "", "mean of x x about the cell's centre"),
            ArraySpec("spread_uv", ("channel", "v", "u"), "float16", "", "mean of x y about the cell's centre"),
            ArraySpec("spread_vv", ("channel", "v", "u"), "float16", "", "mean of y y about the cell's centre"),
        )
    }

    @model_validator(mode="after")
    def _width_is_one_cell(self) -> Self:
        if self.kernel.width_cells > 1:
            raise ValueError(
                f"kernel width is {self.kernel.width_cells} cells; wider than 1 correlates neighbouring cells"
            )
        return self
