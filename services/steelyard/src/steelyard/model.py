"""The forward model of a galaxy: parameters in, circular velocity, cube and visibilities out.

Shapes are static and live in `ModelGrid`; the mass model is chosen once and closed over. Everything returned by
`GalaxyModel` is pure and safe under jit, vmap and grad.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, Self
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from kinematics import (
    BAND_LIMITED,
    BOX,
    DEFAULT_LEVELS,
    MARGIN,
    MGE,
    Absorber,
    BlackHole,
    CellMoments,
    Disc,
    Dispersion,
    ExponentialDisc,
    ExponentialDispersion,
    ExponentialGas,
    Geometry,
    HoledDisc,
    Level,
    MassComponent,
    NfwHalo,
    Pixel,
    ProjectedMge,
    RingDisc,
    RotationCurve,
    SkyGrid,
    SpectralResponse,
    Square,
    Subcells,
    TabulatedDisc,
    UvCells,
    VelocityGrid,
    Warp,
    absorbed_flux,
    attenuation_at,
    axis_ratio_intrinsic,
    circular_velocity,
    expected_means,
    expected_means_in_blocks,
    light_of_disc,
    log_radii,
    means_of_points,
    model_visibilities,
    pc_per_arcsec,
    point_visibilities,
    primary_beam,
    redshift,
    render_cube,
    smooth_channels,
    with_margin,
)
from nuker_surrogate import NukerParams, Surrogate, load_surrogate
from steelyard_schemas import ContractError, Galaxy, GriddedVisibilities, Store
from steelyard_schemas.galaxy import MgeStars, NukerStars
from steelyard_schemas.priors import Fixed, Normal, Prior
from vis_gridder import taper
from vis_gridder.grid.kernel import kernel_second_moment

from steelyard.spectral import velocity_grid

__all__ = [
    "GalaxyModel",
    "ModelGrid",
    "ModelOptions",
    "cell_moments_of",
    "predicted_means",
    "predicted_on_half_plane",
    "predicted_visibilities",
    "refined_npix",
]

# Pixels of the image over those of the data, along a side: what `BandLimited` asks for.
REFINEMENT = 4 / 3
MARGIN_CYCLES = 0.42
N_RADII = 200
BLOCK_BYTES = 3 * 2**20
"""Of a cube that is made and transformed at once in a core's caches."""

Params = Mapping[str, ArrayLike]


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


class ModelOptions(NamedTuple):
    """What chooses code: galaxies that agree in these, and in the shapes of their data, share what is compiled."""

    profile: str
    dispersion: str
    self_gravity: bool
    halo: bool
    spectral_response: SpectralResponse
    likelihood: str
    surrogate: Surrogate | None
    """Of the stars; None for an observed multi-Gaussian expansion."""

    @classmethod
    def of(cls, galaxy: Galaxy) -> ModelOptions:
        """Read them off a galaxy file.

        Raises:
            ContractError: no such surrogate, or priors outside of its domain.

        """
        surrogate = None
        if isinstance(galaxy.stars, NukerStars):
            surrogate = shared_surrogate(galaxy.stars.surrogate)
            check_domain(galaxy, surrogate)
        return cls(
            galaxy.disc.profile,
            galaxy.disc.dispersion,
            galaxy.disc.self_gravity,
            galaxy.halo is not None,
            galaxy.data.spectral_response,
            galaxy.likelihood.kind,
            surrogate,
        )


class OpticalStars(NamedTuple):
    """An observed multi-Gaussian expansion, arrays of shape (Gaussian,)."""

    brightness_lsun_pc2: np.ndarray
    sigma_arcsec: np.ndarray
    q_obs: np.ndarray


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
        self._stars = None if isinstance(galaxy.stars, NukerStars) else optical_stars(galaxy.stars)
        self._disc_table = None if disc.table is None else tuple(np.asarray(column) for column in disc.table.columns)
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
        """What the gas moves in the gravity of, by name: the circular velocity is the sum of these."""
        options = self.options
        parts: dict[str, MassComponent] = {
            "stars": ProjectedMge(self.mge(params), jnp.radians(params["inclination_deg"])),
            "black_hole": BlackHole(10.0 ** jnp.asarray(params["log10_mbh"])),
        }
        if options.self_gravity:
            scale_pc = params["disc_scale_arcsec"] * pc_per_arcsec(jnp.asarray(params["distance_mpc"]))
            parts["gas"] = ExponentialGas(10.0 ** jnp.asarray(params["log10_gas_mass"]), scale_pc)
        if options.halo:
            # At the redshift of the band's middle: across it the critical density changes by a few per cent of itself
            # at most, and the rotation curve stays a function of the mass model alone.
            parts["halo"] = NfwHalo(
                10.0 ** jnp.asarray(params["log10_m200"]),
                10.0 ** jnp.asarray(params["log10_c200"]),
                redshift(self.grid.channels.middle_kms),
            )
        return parts

    def disc(self, params: Params) -> Disc:
        """Surface-brightness profile of the gas."""
        match self.options.profile:
            case "exponential":
                return ExponentialDisc(params["disc_scale_arcsec"])
            case "exponential_hole":
                return HoledDisc(params["disc_scale_arcsec"], params["hole_radius_arcsec"])
            case "table":
                assert self._disc_table is not None
                return TabulatedDisc(*self._disc_table)
            case _:
                return RingDisc(params["ring_radius_arcsec"], params["ring_width_arcsec"])

    def dispersion(self, params: Params) -> ArrayLike | Dispersion:
        """Velocity dispersion of the gas [km/s]: one number, or a law of radius."""
        centre = params["sigma_gas_kms"]
        if self.options.dispersion == "constant":
            return centre
        return ExponentialDispersion(centre, params["sigma_gas_outer_kms"], params["sigma_gas_scale_arcsec"])

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


@jax.jit
def predicted_means(model: GalaxyModel, params: Params) -> Array:
    """`GalaxyModel.cell_means`, compiled once for all galaxies of the same shapes and options."""
    return model.cell_means(params)


def predicted_on_half_plane(model: GalaxyModel, params: Params) -> np.ndarray:
    """`predicted_means` [Jy] where they are on the data's half plane, (channel, v, u), 0 where no cell holds data."""
    return model.uv_cells.on_half_plane(predicted_means(model, params), model.grid.npix)


@jax.jit
def predicted_visibilities(model: GalaxyModel, params: Params) -> Array:
    """`GalaxyModel.visibilities`, compiled as `predicted_means` is."""
    return model.visibilities(params)


def shared_surrogate(which: str) -> Surrogate:
    """Load a surrogate by version or path, or the latest; the same object as long as the artifact is the same."""
    found = load_surrogate(None if which == "latest" else which)
    return _LOADED.setdefault(json.dumps(found.manifest.files, sort_keys=True), found)


_LOADED: WeakValueDictionary[str, Surrogate] = WeakValueDictionary()


def nuker_mge(surrogate: Surrogate, params: Params) -> MGE:
    """Stars by the neural deprojection of a Nuker law."""
    gamma = jnp.asarray(params["gamma"])
    nuker = NukerParams(
        alpha=params["alpha"],
        beta=gamma + params["beta_minus_gamma"],
        gamma=gamma,
        r_b_pc=10.0 ** jnp.asarray(params["log10_r_b_pc"]),
    )
    coefficients = surrogate.coefficients(nuker) * 10.0 ** jnp.asarray(params["log10_sigma_b"])
    return MGE(coefficients, np.asarray(surrogate.sigma_pc), params["q"])


def optical_stars(stars: MgeStars) -> OpticalStars:
    """Take the table of a galaxy file, innermost Gaussian removed if asked."""
    order = np.argsort(stars.sigma_arcsec)[1 if stars.innermost == "remove" else 0 :]
    columns = (stars.surface_brightness_lsun_pc2, stars.sigma_arcsec, stars.q_obs)
    return OpticalStars(*(np.asarray(column)[order] for column in columns))


def optical_mge(stars: OpticalStars, params: Params) -> MGE:
    """Stars by an observed multi-Gaussian expansion and one mass-to-light ratio."""
    inclination = jnp.radians(params["inclination_deg"])
    dtype = jnp.result_type(inclination)
    return MGE(
        jnp.asarray(stars.brightness_lsun_pc2, dtype) * params["mass_to_light"],
        stars.sigma_arcsec * pc_per_arcsec(jnp.asarray(params["distance_mpc"])),
        axis_ratio_intrinsic(jnp.asarray(stars.q_obs, dtype), inclination),
    )


def check_domain(galaxy: Galaxy, surrogate: Surrogate) -> None:
    """Raise ContractError where a prior leaves the box in which the surrogate's errors are known."""
    domain = surrogate.manifest.domain
    limits = {
        "alpha": (domain.alpha.low, domain.alpha.high),
        "gamma": (domain.gamma.low, domain.gamma.high),
        "beta_minus_gamma": (domain.beta_minus_gamma.low, domain.beta_minus_gamma.high),
        "log10_r_b_pc": (np.log10(domain.r_b_pc.low), np.log10(domain.r_b_pc.high)),
    }
    problems = []
    for name, (low, high) in limits.items():
        reach = prior_range(getattr(galaxy.priors, name))
        if reach[0] < low or reach[1] > high:
            problems.append(
                f"priors.{name} reaches from {reach[0]:g} to {reach[1]:g}, but surrogate {surrogate.version} holds "
                f"from {low:.6g} to {high:.6g}: set low and high within"
            )
    if problems:
        raise ContractError(galaxy.name, problems)


def prior_range(prior: Prior) -> tuple[float, float]:
    """Return the lowest and highest value that a prior allows."""
    if isinstance(prior, Fixed):
        return prior.value, prior.value
    if isinstance(prior, Normal):
        return (-np.inf if prior.low is None else prior.low, np.inf if prior.high is None else prior.high)
    return prior.low, prior.high
