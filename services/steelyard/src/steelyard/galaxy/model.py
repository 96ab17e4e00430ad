"""Forward model of a galaxy: circular velocity, cube and visibilities from parameters.

Shapes are static and live in `ModelGrid`; the mass model is chosen once. All methods of `GalaxyModel` that take
parameters are pure and safe under jit, vmap and grad.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from kinematics import (
    BAND_LIMITED,
    BOX,
    DISPERSIONS,
    MASS,
    MGE,
    PROFILES,
    Absorber,
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
    Warp,
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
from kinematics.gas.profiles import Table
from kinematics.registry import Params
from nuker_surrogate import Surrogate
from steelyard_schemas import Galaxy
from steelyard_schemas.ingredients import MgeStars

from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.options import ModelOptions
from steelyard.galaxy.stars import departed, departure, nuker_mge, optical_mge, optical_stars

__all__ = ["GalaxyModel"]

N_RADII = 200
BLOCK_BYTES = 3 * 2**20
"""Bytes of cube per block, to fit the cache."""


@jax.tree_util.register_pytree_node_class
class GalaxyModel:
    """Physics of one galaxy file on one data grid.

    It is a pytree: code compiled for one galaxy serves all galaxies with the same `options` and shapes. Inside
    compiled code it has no attribute `galaxy`.
    """

    def __init__(self, galaxy: Galaxy, grid: ModelGrid) -> None:
        self.galaxy = galaxy
        self.options = ModelOptions.of(galaxy)
        self.grid = grid
        disc = galaxy.disc
        self._stars = optical_stars(galaxy.stars) if isinstance(galaxy.stars, MgeStars) else None
        flexibility = galaxy.stars.flexibility
        self._departure = None if flexibility is None else departure(flexibility)
        self._disc_table: Table | None = None
        if disc.table is not None:
            radius, brightness = (np.asarray(column) for column in disc.table.columns)
            self._disc_table = (radius, brightness)
        self._warp_radii = None if disc.warp is None else (disc.warp.reference_arcsec, disc.warp.outer_arcsec)
        self._continuum_jy = None if galaxy.absorber is None else galaxy.absorber.continuum_jy
        # From a hundredth of a pixel, so that the table covers the innermost subcell, to beyond the corner of the
        # field deprojected at high inclination, where an exponential disc has no light left.
        self.radii_arcsec, self._log_step = log_radii(0.01 * grid.sky.cell_arcsec, 5 * grid.field_arcsec, N_RADII)

    def tree_flatten(self) -> tuple[tuple[Any, ...], ModelOptions]:
        """Return the data as leaves and the options as static part."""
        children = (
            self.grid,
            self._stars,
            self._departure,
            self._disc_table,
            self._warp_radii,
            self._continuum_jy,
            self.radii_arcsec,
            self._log_step,
        )
        return children, self.options

    @classmethod
    def tree_unflatten(cls, options: ModelOptions, children: tuple[Any, ...]) -> Self:
        """Invert `tree_flatten`, without the galaxy file."""
        new = object.__new__(cls)
        new.options = options
        new.grid, new._stars, new._departure, new._disc_table, new._warp_radii, new._continuum_jy = children[:6]
        new.radii_arcsec, new._log_step = children[6:]
        return new

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the model, set by its grid."""
        return self.grid.attenuation.dtype

    def in_blocks(self) -> Self:
        """Return a copy that computes `cell_means` in blocks of channels that fit the caches of a core."""
        new, n_channels = copy(self), self.grid.channels.n_channels
        # The backward pass transforms channels in pairs, so blocks hold equally many pairs.
        most = max(BLOCK_BYTES // (2 * self.grid.sky.npix**2 * self.dtype.itemsize), 1)
        n_blocks = math.ceil(n_channels / (2 * most))
        at_once = None if n_blocks == 1 else 2 * math.ceil(n_channels / (2 * n_blocks))
        new.grid = replace(self.grid, channels_at_once=at_once)
        return new

    @property
    def uv_cells(self) -> UvCells:
        """uv cells of the data that the model is compared with.

        Raises:
            ValueError: the grid of the model was made without data.

        """
        if self.grid.uv_cells is None:
            raise ValueError("this model has no uv cells because its grid was made without data: use ModelGrid.of")
        return self.grid.uv_cells

    @property
    def surrogate(self) -> Surrogate | None:
        """Surrogate of the stellar law; None for an observed MGE."""
        return self.options.surrogate

    def with_levels(self, levels: tuple[Level, ...]) -> Self:
        """Return a copy with other supersampling levels."""
        new = copy(self)
        new.grid = replace(self.grid, levels=levels)
        return new

    def mge(self, params: Params) -> MGE:
        """Return the MGE of the stars."""
        if self._stars is not None:
            law = optical_mge(self._stars, params)
        else:
            assert self.surrogate is not None
            law = nuker_mge(self.surrogate, params)
        return law if self._departure is None else departed(law, self._departure, params)

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

    def disc(self, params: Params) -> Disc:
        """Return the surface-brightness profile of the gas."""
        return PROFILES[self.options.profile](params, self._disc_table)

    def dispersion(self, params: Params) -> ArrayLike | Dispersion:
        """Return the velocity dispersion of the gas [km/s], a number or a law of radius."""
        return DISPERSIONS[self.options.dispersion](params)

    def warp(self, params: Params) -> Warp | None:
        """Return the warp of the disc, None for a flat disc."""
        if self._warp_radii is None:
            return None
        pa, inclination = (jnp.radians(params[f"{name}_gradient_deg_per_arcsec"]) for name in ("pa", "inclination"))
        return Warp(pa, inclination, *self._warp_radii)

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
        first, step = (jnp.asarray(value, self.dtype) for value in (self.radii_arcsec[0], self._log_step))
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
        if self._continuum_jy is None:
            return means
        grid, x, y = self.grid, params["x0_arcsec"], params["y0_arcsec"]
        seen = self.absorbed_flux(params) * attenuation_at(grid.attenuation, grid.sky, x, y)
        points = point_visibilities(self.uv_cells.points, grid.field_arcsec, x, y, seen)
        return means + means_of_points(points.astype(self.dtype), self.uv_cells)

    def absorbed_flux(self, params: Params) -> Array:
        """Return the absorber's flux density [Jy], negative or 0, shape (channel,), before the primary beam."""
        response = self.options.spectral_response
        if self._continuum_jy is None:
            return jnp.zeros(self.grid.channels.n_channels)
        tau, velocity, sigma = (params[f"absorber_{name}"] for name in ("tau", "velocity_kms", "sigma_kms"))
        gas = Absorber(self._continuum_jy, tau, velocity, sigma)
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
