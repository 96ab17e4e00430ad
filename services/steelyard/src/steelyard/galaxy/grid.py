"""What a model needs to know of the data that it is compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from kinematics import DEFAULT_LEVELS, MARGIN, CellMoments, Level, SkyGrid, UvCells, VelocityGrid, primary_beam
from steelyard_schemas import GriddedVisibilities, Store
from vis_gridder import taper
from vis_gridder.grid.kernel import kernel_second_moment

from steelyard.data.velocity import velocity_grid

__all__ = ["ModelGrid", "cell_moments_of", "refined_npix"]

# Pixels of the image over those of the data, along a side: what `BandLimited` asks for.
REFINEMENT = 4 / 3
MARGIN_CYCLES = 0.42


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["cell_arcsec", "channels", "attenuation", "uv_cells"],
    meta_fields=["npix", "levels", "channels_at_once"],
)
@dataclass(frozen=True)
class ModelGrid:
    """What a model needs to know of the data that it is compared with."""

    npix: int
    cell_arcsec: float
    channels: VelocityGrid
    attenuation: Array
    """Primary beam times gridding taper on the refined image, shape (y, x). The model computes in its precision."""
    uv_cells: UvCells | None = None
    """That hold data; None for a model without any."""
    levels: tuple[Level, ...] = DEFAULT_LEVELS
    """Supersampling of the image."""
    channels_at_once: int | None = None
    """Of which a cube is made and transformed; None for all."""

    @classmethod
    def of(
        cls,
        data: Store[GriddedVisibilities],
        rest_frequency_hz: float,
        beam: Literal["gaussian", "airy", "none"] = "gaussian",
        dtype: DTypeLike = jnp.float32,
    ) -> ModelGrid:
        """Describe gridded data, for a model that computes in `dtype`."""
        manifest = data.manifest
        sky = SkyGrid(manifest.npix, manifest.cell_arcsec).divided(refined_npix(manifest.npix))
        attenuation = taper(sky.npix, sky.cell_arcsec, manifest.kernel)
        dish = manifest.observation.dish_diameter_m
        if dish is not None and beam != "none":
            attenuation = attenuation * primary_beam(sky, dish, float(np.mean(data["frequency_hz"])), beam)
        channels = velocity_grid(data, rest_frequency_hz)
        moments = cell_moments_of(data) if manifest.cell_moments else None
        uv_cells = UvCells.of(data["mask"], sky, moments, dtype)
        # Once to the device, not with each call of what is compiled.
        return cls(manifest.npix, manifest.cell_arcsec, channels, jnp.asarray(attenuation, dtype), uv_cells)

    @property
    def sky(self) -> SkyGrid:
        """The refined image grid."""
        npix = self.attenuation.shape[-1]
        return SkyGrid(npix, self.field_arcsec / npix)

    @property
    def field_arcsec(self) -> float:
        """Side of the field of view."""
        return self.npix * self.cell_arcsec


def refined_npix(npix: int) -> int:
    """Return how many pixels a model needs along a side for data of `npix` cells."""
    # The response's outermost stencils reach to where the filter passes 95 %, which their small weights forgive.
    return math.ceil(max(REFINEMENT * npix, (npix + 2 * MARGIN) / (2 * MARGIN_CYCLES)))


def cell_moments_of(data: Store[GriddedVisibilities]) -> CellMoments:
    """Take the moments of the samples' places from gridded data, second ones as excess over the kernel's own."""
    kernel_own = kernel_second_moment(data.manifest.kernel)
    excess_uu, excess_vv = (
        np.where(data["mask"], data[name].astype(np.float32) - kernel_own, 0.0) for name in ("spread_uu", "spread_vv")
    )
    return CellMoments(data["offset_u"], data["offset_v"], excess_uu, data["spread_uv"], excess_vv)
