"""Grid of a model: image, channels, attenuation and uv cells, as given by the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
from vis_gridder.gridding.kernel import kernel_second_moment

from steelyard.data.velocity import velocity_grid

__all__ = ["ModelGrid", "cell_moments_of", "refined_npix"]

# Ratio of image pixels to data pixels along a side, as required by `BandLimited`.
REFINEMENT = 4 / 3
MARGIN_CYCLES = 0.42
BLOCK_BYTES = 3 * 2**20
"""Bytes of cube per block, to fit the cache."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["cell_arcsec", "channels", "attenuation", "uv_cells"],
    meta_fields=["npix", "levels", "channels_at_once"],
)
@dataclass(frozen=True)
class ModelGrid:
    """Description of the data that a model is compared with."""

    npix: int
    """Pixels of the data's image along a side (static)."""
    cell_arcsec: float
    """Side of these pixels [arcsec]."""
    channels: VelocityGrid
    """Velocity channels of the data."""
    attenuation: Array
    """Primary beam times gridding taper on the refined image, shape (y, x); its dtype sets the model's precision."""
    uv_cells: UvCells | None = None
    """uv cells containing data; None for a model without data."""
    levels: tuple[Level, ...] = DEFAULT_LEVELS
    """Supersampling of the image."""
    channels_at_once: int | None = None
    """Channels rendered together; None for all."""

    @classmethod
    def of(
        cls,
        data: Store[GriddedVisibilities],
        rest_frequency_hz: float,
        beam: Literal["gaussian", "airy", "none"] = "gaussian",
        dtype: DTypeLike = jnp.float32,
    ) -> ModelGrid:
        """Build the grid from gridded data, for a model that computes in `dtype`."""
        manifest = data.manifest
        sky = SkyGrid(manifest.npix, manifest.cell_arcsec).divided(refined_npix(manifest.npix))
        attenuation = taper(sky.npix, sky.cell_arcsec, manifest.kernel)
        dish = manifest.observation.dish_diameter_m
        if dish is not None and beam != "none":
            attenuation = attenuation * primary_beam(sky, dish, float(np.mean(data["frequency_hz"])), beam)
        channels = velocity_grid(data, rest_frequency_hz)
        moments = cell_moments_of(data) if manifest.cell_moments else None
        uv_cells = UvCells.of(data["mask"], sky, moments, dtype)
        # Moved to the device once instead of in each call of compiled code.
        return cls(manifest.npix, manifest.cell_arcsec, channels, jnp.asarray(attenuation, dtype), uv_cells)

    @property
    def sky(self) -> SkyGrid:
        """Refined image grid."""
        npix = self.attenuation.shape[-1]
        return SkyGrid(npix, self.field_arcsec / npix)

    @property
    def field_arcsec(self) -> float:
        """Side of the field of view [arcsec]."""
        return self.npix * self.cell_arcsec

    def in_blocks(self) -> ModelGrid:
        """Return a copy whose channels are rendered in blocks that fit the caches of a core."""
        n_channels = self.channels.n_channels
        # The backward pass transforms channels in pairs, so blocks hold equally many pairs.
        most = max(BLOCK_BYTES // (2 * self.sky.npix**2 * self.attenuation.dtype.itemsize), 1)
        n_blocks = math.ceil(n_channels / (2 * most))
        return replace(self, channels_at_once=None if n_blocks == 1 else 2 * math.ceil(n_channels / (2 * n_blocks)))


def refined_npix(npix: int) -> int:
    """Return the number of pixels a model needs along a side for data of `npix` cells."""
    # The outermost stencils reach frequencies where the filter passes 95 %; their small weights make this harmless.
    return math.ceil(max(REFINEMENT * npix, (npix + 2 * MARGIN) / (2 * MARGIN_CYCLES)))


def cell_moments_of(data: Store[GriddedVisibilities]) -> CellMoments:
    """Return the moments of sample positions in gridded data; second moments are in excess of the kernel's."""
    kernel_own = kernel_second_moment(data.manifest.kernel)
    excess_uu, excess_vv = (
        np.where(data["mask"], data[name].astype(np.float32) - kernel_own, 0.0) for name in ("spread_uu", "spread_vv")
    )
    return CellMoments(data["offset_u"], data["offset_v"], excess_uu, data["spread_uv"], excess_vv)
