"""Forward model of a galaxy: circular velocity, cube and visibilities from parameters.

Shapes are static and live in `ModelGrid`; the mass model is chosen once. All methods of `GalaxyModel` that take
parameters are pure and safe under jit, vmap and grad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from kinematics import (
    BAND_LIMITED,
    BOX,
    MASS,
    Disc,
    Dispersion,
    Geometry,
    Level,
    MassComponent,
    Pixel,
    ProjectedMge,
    RotationCurve,
    Square,
    Subcells,
    UvCells,
    absorbed_flux,
    attenuation_at,
    circular_velocity,
    expected_means,
    expected_means_in_blocks,
    light_of_disc,
    log_radii,
    means_of_points,
    model_visibilities,
    pc_per_arcsec,
    point_visibilities,
    redshift,
    render_cube,
    smooth_channels,
    with_margin,
)
from kinematics.registry import Params
from steelyard_schemas import Galaxy
from steelyard_schemas.ingredients import MgeStars

from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.laws import GalaxyLaws
from steelyard.galaxy.options import ModelOptions
from steelyard.galaxy.stars import departure, optical_stars

__all__ = ["GalaxyModel"]

N_RADII = 200


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class GalaxyModel(GalaxyLaws):
    """Physics of one galaxy on one data grid; code compiled for it serves all with the same options and shapes."""

    grid: ModelGrid
    """Image, channels and uv cells of the data."""
    radii_arcsec: np.ndarray
    """Radii of the velocity table, evenly spaced in ln R."""
    log_step: float
    """Spacing of these radii in ln R."""

    @classmethod
    def of(cls, galaxy: Galaxy, grid: ModelGrid) -> Self:
        """Build the model of a galaxy file.

        Raises:
            ContractError: the surrogate does not exist, or priors exceed its domain.

        """
        disc, flexibility = galaxy.disc, galaxy.stars.flexibility
        # From a hundredth of a pixel, so that the table covers the innermost subcell, to beyond the corner of the
        # field deprojected at high inclination, where an exponential disc has no light left.
        radii_arcsec, log_step = log_radii(0.01 * grid.sky.cell_arcsec, 5 * grid.field_arcsec, N_RADII)
        return cls(
            options=ModelOptions.of(galaxy),
            stars=optical_stars(galaxy.stars) if isinstance(galaxy.stars, MgeStars) else None,
            departure=None if flexibility is None else departure(flexibility),
            disc_table=None if disc.table is None else _as_arrays(*disc.table.columns),
            warp_radii_arcsec=None if disc.warp is None else (disc.warp.reference_arcsec, disc.warp.outer_arcsec),
            continuum_jy=None if galaxy.absorber is None else galaxy.absorber.continuum_jy,
            grid=grid,
            radii_arcsec=radii_arcsec,
            log_step=log_step,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the model, set by its grid."""
        return self.grid.attenuation.dtype

    def in_blocks(self) -> Self:
        """Return a copy that computes `cell_means` in blocks of channels that fit the caches of a core."""
        return replace(self, grid=self.grid.in_blocks())

    @property
    def uv_cells(self) -> UvCells:
        """uv cells of the data that the model is compared with.

        Raises:
            ValueError: the grid of the model was made without data.

        """
        if self.grid.uv_cells is None:
            raise ValueError("this model has no uv cells because its grid was made without data: use ModelGrid.of")
        return self.grid.uv_cells

    def with_levels(self, levels: tuple[Level, ...]) -> Self:
        """Return a copy with other supersampling levels."""
        return replace(self, grid=replace(self.grid, levels=levels))

    def circular_velocity(self, params: Params, radius_arcsec: ArrayLike, *, component: str = "total") -> Array:
        """Return v_c [km/s], shape of `radius_arcsec`, of the 'total' or one of `mass_components` (0 if absent)."""
        parts = self.mass_components(params)
        chosen = parts.values() if component == "total" else [parts[component]] if component in parts else []
        scale = pc_per_arcsec(jnp.asarray(params["distance_mpc"]))
        return circular_velocity(jnp.asarray(radius_arcsec) * scale, chosen)

    def mass_components(self, params: Params) -> dict[str, MassComponent]:
        """Return the mass components by kind; their v_c^2 add up."""
        parts: dict[str, MassComponent] = {
            "stars": ProjectedMge(self.mge(params), jnp.radians(params["inclination_deg"]))
        }
        # The redshift is that of mid-band: across it the critical density changes by a few per cent at most, and the
        # rotation curve remains a function of the mass model alone.
        z = redshift(self.grid.channels.middle_kms)
        for kind in ("black_hole", *self.options.mass):
            parts[kind] = MASS[kind](params, z)
        return parts

    def velocity_table(self, params: Params) -> Array:
        """Return v_c [km/s] at `radii_arcsec`, the table that the renderer interpolates."""
        return self.circular_velocity(params, jnp.asarray(self.radii_arcsec, self.dtype))

    def gas(
        self, params: Params, velocity_table: Array | None = None
    ) -> tuple[Disc, Geometry, RotationCurve, ArrayLike, ArrayLike | Dispersion]:
        """Return profile, geometry, rotation curve, flux [Jy km/s] and dispersion, the input of the renderer.

        A `velocity_table` [km/s] replaces the circular velocity implied by `params`.
        """
        # Kept in its own precision: near 1e5 km/s, at high redshift, single precision resolves only 8 m/s.
        vsys_kms = jnp.asarray(params["vsys_kms"])
        params = {name: jnp.asarray(value, self.dtype) for name, value in params.items()}
        geometry = Geometry(
            jnp.radians(params["inclination_deg"]),
            jnp.radians(params["pa_deg"]),
            params["x0_arcsec"],
            params["y0_arcsec"],
            vsys_kms,
            self.warp(params),
        )
        table = self.velocity_table(params) if velocity_table is None else velocity_table.astype(self.dtype)
        first, step = (jnp.asarray(value, self.dtype) for value in (self.radii_arcsec[0], self.log_step))
        curve = RotationCurve(first, step, table)
        return self.disc(params), geometry, curve, params["flux_jykms"], self.dispersion(params)

    def cube(
        self,
        params: Params,
        velocity_table: Array | None = None,
        *,
        attenuated: bool = True,
        pixel: Pixel = BOX,
    ) -> Array:
        """Render the cube [Jy per pixel] on the refined image grid, shape (channel, y, x).

        With `attenuated`, primary beam and taper are applied. Default pixels hold the flux within them, for display;
        `visibilities` transforms `BAND_LIMITED` ones. `velocity_table` is as in `gas`.
        """
        response = self.options.spectral_response
        cube = render_cube(
            *self.gas(params, velocity_table),
            self.grid.sky,
            with_margin(self.grid.channels, response),
            self.grid.levels,
            self.grid.attenuation if attenuated else None,
            pixel,
        )
        return smooth_channels(cube, response)

    def light(self, params: Params, velocity_table: Array | None = None) -> list[tuple[Square, Subcells]]:
        """Compute the attenuated mean light of subcells [Jy] for `cell_means`; arguments as for `cube`."""
        grid = self.grid
        sky = (grid.sky, grid.channels, grid.levels, grid.attenuation, BAND_LIMITED)
        return light_of_disc(*self.gas(params, velocity_table), *sky)

    def cell_means(self, params: Params, velocity_table: Array | None = None) -> Array:
        """Compute the expected cell means [Jy], complex (cell, channel) as in `uv_cells`; arguments as for `cube`."""
        means = self._disc_means(params, velocity_table)
        if self.continuum_jy is None:
            return means
        grid, x, y = self.grid, params["x0_arcsec"], params["y0_arcsec"]
        seen = self.absorbed_flux(params) * attenuation_at(grid.attenuation, grid.sky, x, y)
        points = point_visibilities(self.uv_cells.points, grid.field_arcsec, x, y, seen)
        return means + means_of_points(points.astype(self.dtype), self.uv_cells)

    def absorbed_flux(self, params: Params) -> Array:
        """Return the absorber's flux density [Jy], negative or 0, shape (channel,), before the primary beam."""
        gas, response = self.absorber(params), self.options.spectral_response
        if gas is None:
            return jnp.zeros(self.grid.channels.n_channels)
        channels = with_margin(self.grid.channels, response)
        return smooth_channels(absorbed_flux(gas, params["vsys_kms"], channels), response)

    def _disc_means(self, params: Params, velocity_table: Array | None) -> Array:
        """Expected cell means of the disc alone."""
        grid, response = self.grid, self.options.spectral_response
        if grid.channels_at_once is None:
            return expected_means(self.cube(params, velocity_table, pixel=BAND_LIMITED), self.uv_cells)
        light = self.light(params, velocity_table)
        edges = jnp.asarray(with_margin(grid.channels, response).edges_about_middle_kms, self.dtype)
        return expected_means_in_blocks(light, edges, BAND_LIMITED, response, self.uv_cells, grid.channels_at_once)

    def visibilities(self, params: Params) -> Array:
        """Compute V [Jy] at the centres of all uv cells, with or without data, (channel, v, u)."""
        return model_visibilities(self.cube(params, pixel=BAND_LIMITED), self.grid.sky, self.grid.npix)


def _as_arrays(*columns: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Columns of a disc table as arrays."""
    radius_arcsec, brightness = map(np.asarray, columns)
    return radius_arcsec, brightness
