"""The forward model of a galaxy: parameters in, circular velocity, cube and visibilities out.

Shapes are static and live in `ModelGrid`; the mass model is chosen once and closed over. Everything returned by
`GalaxyModel` is pure and safe under jit, vmap and grad.
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
from steelyard.galaxy.stars import nuker_mge, optical_mge, optical_stars

__all__ = ["GalaxyModel"]

N_RADII = 200
BLOCK_BYTES = 3 * 2**20
"""Of a cube that is made and transformed at once in a core's caches."""


@jax.tree_util.register_pytree_node_class
class GalaxyModel:
    """The physics of one galaxy file on one data grid.

    A pytree: what is compiled for one galaxy serves all whose `options` and shapes are the same. Inside of compiled
    code it has no `galaxy`.
    """

    def __init__(self, galaxy: Galaxy, grid: ModelGrid) -> None:
        self.galaxy = galaxy
        self.options = ModelOptions.of(galaxy)
        self.grid = grid
        disc = galaxy.disc
        self._stars = optical_stars(galaxy.stars) if isinstance(galaxy.stars, MgeStars) else None
        self._disc_table: Table | None = None
        if disc.table is not None:
            radius, brightness = (np.asarray(column) for column in disc.table.columns)
            self._disc_table = (radius, brightness)
        self._warp_radii = None if disc.warp is None else (disc.warp.reference_arcsec, disc.warp.outer_arcsec)
        self._continuum_jy = None if galaxy.absorber is None else galaxy.absorber.continuum_jy
        # From a hundredth of a pixel, so that the innermost subcell lies on the table, to past the field's corner
        # seen at high inclination, where an exponential disc holds nothing any more.
        self.radii_arcsec, self._log_step = log_radii(0.01 * grid.sky.cell_arcsec, 5 * grid.field_arcsec, N_RADII)

    def tree_flatten(self) -> tuple[tuple[Any, ...], ModelOptions]:
        """Data at the leaves, and what chooses code."""
        children = (
            self.grid,
            self._stars,
            self._disc_table,
            self._warp_radii,
            self._continuum_jy,
            self.radii_arcsec,
            self._log_step,
        )
        return children, self.options

    @classmethod
    def tree_unflatten(cls, options: ModelOptions, children: tuple[Any, ...]) -> Self:
        """Inverse of `tree_flatten`, but for the galaxy file."""
        new = object.__new__(cls)
        new.options = options
        new.grid, new._stars, new._disc_table, new._warp_radii, new._continuum_jy = children[:5]
        new.radii_arcsec, new._log_step = children[5:]
        return new

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision that the model computes in: its grid's."""
        return self.grid.attenuation.dtype

    def in_blocks(self) -> Self:
        """Return the same model, computing `cell_means` in blocks of channels that fit a core's caches."""
        new, n_channels = copy(self), self.grid.channels.n_channels
        # Two channels are one complex image on the way back: blocks of equally many pairs.
        most = max(BLOCK_BYTES // (2 * self.grid.sky.npix**2 * self.dtype.itemsize), 1)
        n_blocks = math.ceil(n_channels / (2 * most))
        at_once = None if n_blocks == 1 else 2 * math.ceil(n_channels / (2 * n_blocks))
        new.grid = replace(self.grid, channels_at_once=at_once)
        return new

    @property
    def uv_cells(self) -> UvCells:
        """Cells of the data that the model is compared with.

        Raises:
            ValueError: the model's grid is that of no data.

        """
        if self.grid.uv_cells is None:
            raise ValueError("this model is of no data, so that it has no cells: make its grid by ModelGrid.of")
        return self.grid.uv_cells

    @property
    def surrogate(self) -> Surrogate | None:
        """Of the stars."""
        return self.options.surrogate

    def with_levels(self, levels: tuple[Level, ...]) -> Self:
        """Return the same model with other supersampling."""
        new = copy(self)
        new.grid = replace(self.grid, levels=levels)
        return new

    def mge(self, params: Params) -> MGE:
        """Gaussians of the stars."""
        if self._stars is not None:
            return optical_mge(self._stars, params)
        assert self.surrogate is not None
        return nuker_mge(self.surrogate, params)

    def circular_velocity(self, params: Params, radius_arcsec: ArrayLike, *, component: str = "total") -> Array:
        """Circular velocity [km/s] of the 'total', or of one of `mass_components`; 0 where there is no such one."""
        parts = self.mass_components(params)
        chosen = parts.values() if component == "total" else [parts[component]] if component in parts else []
        scale = pc_per_arcsec(jnp.asarray(params["distance_mpc"]))
        return circular_velocity(jnp.asarray(radius_arcsec) * scale, chosen)

    def mass_components(self, params: Params) -> dict[str, MassComponent]:
        """Mass in whose gravity the gas moves, by kind: v_c^2 is the sum over these."""
        parts: dict[str, MassComponent] = {
            "stars": ProjectedMge(self.mge(params), jnp.radians(params["inclination_deg"]))
        }
        # At the redshift of the band's middle: across it the critical density changes by a few per cent of itself at
        # most, and the rotation curve stays a function of the mass model alone.
        z = redshift(self.grid.channels.middle_kms)
        for kind in ("black_hole", *self.options.mass):
            parts[kind] = MASS[kind](params, z)
        return parts

    def disc(self, params: Params) -> Disc:
        """Surface-brightness profile of the gas."""
        return PROFILES[self.options.profile](params, self._disc_table)

    def dispersion(self, params: Params) -> ArrayLike | Dispersion:
        """Velocity dispersion of the gas [km/s]: one number, or a law of radius."""
        return DISPERSIONS[self.options.dispersion](params)

    def warp(self, params: Params) -> Warp | None:
        """Change of the disc's orientation with radius."""
        if self._warp_radii is None:
            return None
        pa, inclination = (jnp.radians(params[f"{name}_gradient_deg_per_arcsec"]) for name in ("pa", "inclination"))
        return Warp(pa, inclination, *self._warp_radii)

    def velocity_table(self, params: Params) -> Array:
        """Circular velocity [km/s] on the model's own radii, `radii_arcsec`: what the renderer interpolates."""
        return self.circular_velocity(params, jnp.asarray(self.radii_arcsec, self.dtype))

    def gas(
        self, params: Params, velocity_table: Array | None = None
    ) -> tuple[Disc, Geometry, RotationCurve, ArrayLike, ArrayLike | Dispersion]:
        """Surface brightness, orientation, rotation curve, flux [Jy km/s] and dispersion: what a renderer asks for.

        A `velocity_table` takes the place of the circular velocity that `params` imply.
        """
        # Kept in its own precision: near 1e5 km/s, at high redshift, single precision holds it to 8 m/s only.
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
        """Cube [Jy per pixel] on the refined image grid, (channel, y, x), with primary beam and taper if asked.

        Pixels hold the flux within them, to look at; `visibilities` transforms `BAND_LIMITED` ones. For a
        `velocity_table` see `gas`.
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
        """Mean light of subcells [Jy], attenuated, from which `cell_means` makes spectra; arguments as for `cube`."""
        grid = self.grid
        sky = (grid.sky, grid.channels, grid.levels, grid.attenuation, BAND_LIMITED)
        return light_of_disc(*self.gas(params, velocity_table), *sky)

    def cell_means(self, params: Params, velocity_table: Array | None = None) -> Array:
        """Expected means [Jy] of the data's cells, (cell, channel) as in `uv_cells`; arguments as for `cube`."""
        means = self._disc_means(params, velocity_table)
        if self._continuum_jy is None:
            return means
        grid, x, y = self.grid, params["x0_arcsec"], params["y0_arcsec"]
        seen = self.absorbed_flux(params) * attenuation_at(grid.attenuation, grid.sky, x, y)
        points = point_visibilities(self.uv_cells.points, grid.field_arcsec, x, y, seen)
        return means + means_of_points(points.astype(self.dtype), self.uv_cells)

    def absorbed_flux(self, params: Params) -> Array:
        """Flux density [Jy] of the central absorber, negative or 0, shape (channel,), before the primary beam."""
        response = self.options.spectral_response
        if self._continuum_jy is None:
            return jnp.zeros(self.grid.channels.n_channels)
        tau, velocity, sigma = (params[f"absorber_{name}"] for name in ("tau", "velocity_kms", "sigma_kms"))
        gas = Absorber(self._continuum_jy, tau, velocity, sigma)
        channels = with_margin(self.grid.channels, response)
        return smooth_channels(absorbed_flux(gas, params["vsys_kms"], channels), response)

    def _disc_means(self, params: Params, velocity_table: Array | None) -> Array:
        """Expected means of the disc alone."""
        grid, response = self.grid, self.options.spectral_response
        if grid.channels_at_once is None:
            return expected_means(self.cube(params, velocity_table, pixel=BAND_LIMITED), self.uv_cells)
        light = self.light(params, velocity_table)
        edges = jnp.asarray(with_margin(grid.channels, response).edges_about_middle_kms, self.dtype)
        return expected_means_in_blocks(light, edges, BAND_LIMITED, response, self.uv_cells, grid.channels_at_once)

    def visibilities(self, params: Params) -> Array:
        """V [Jy] at the centres of all uv cells, whether or not they hold data, (channel, v, u)."""
        return model_visibilities(self.cube(params, pixel=BAND_LIMITED), self.grid.sky, self.grid.npix)
