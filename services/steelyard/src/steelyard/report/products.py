"""Products shown in the figures, computed once per run folder: cubes, spectra, rotation curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from kinematics import galaxy_velocity_kms
from scipy.ndimage import map_coordinates
from steelyard_schemas import GriddedVisibilities, Posterior, Store
from steelyard_schemas.ingredients import BlackHole
from vis_gridder import Beam, Moments, dirty_beam, dirty_cube, fit_beam, moments, robust_sigma

from steelyard.data.velocity import velocities_kms
from steelyard.galaxy.accuracy import LEVELS
from steelyard.galaxy.field_of_view import flux_radius_arcsec
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_on_half_plane

__all__ = ["Products", "RotationBands"]

N_CURVES = 200


@dataclass(frozen=True)
class RotationBands:
    """Circular velocity against radius, as 16, 50 and 84 % quantiles."""

    radius_arcsec: np.ndarray
    """Radii [arcsec], shape (radius,)."""
    total_kms: np.ndarray
    """Total circular velocity [km/s], shape (3, radius)."""
    parts_kms: dict[str, np.ndarray]
    """Velocity of each mass component [km/s], shape (3, radius), by title: "stars", "black hole", "halo"."""


class Products:
    """Products of a posterior and its data. Cubes are dirty, that is, not deconvolved."""

    def __init__(self, posterior: Store[Posterior], data: Store[GriddedVisibilities]) -> None:
        self.posterior = posterior
        self.manifest = posterior.manifest
        self.data_store = data
        galaxy = self.manifest.galaxy
        grid = ModelGrid.of(data, galaxy.line.rest_frequency_hz, galaxy.data.primary_beam)
        self.model = GalaxyModel.of(galaxy, grid).with_levels(LEVELS[self.manifest.quality.subcells])
        self.radio_kms = velocities_kms(data, galaxy.line.rest_frequency_hz)
        """Radio velocities of the channels [km/s], shape (channel,)."""
        self.names = tuple(p.name for p in self.manifest.parameters)

    @cached_property
    def draws(self) -> np.ndarray:
        """All draws, shape (chain, draw, parameter)."""
        return np.stack([self.posterior[f"posterior/{name}"] for name in self.names], axis=-1)

    @cached_property
    def best(self) -> dict[str, float]:
        """Parameters of the draw with the highest density, including fixed ones."""
        lp = self.posterior["sample_stats/lp"]
        chain, draw = np.unravel_index(np.argmax(lp), lp.shape)
        return {**dict(zip(self.names, self.draws[chain, draw].tolist(), strict=True)), **self.manifest.fixed}

    @cached_property
    def velocity_kms(self) -> np.ndarray:
        """Channel velocities about the best systemic velocity [km/s], in the galaxy's frame, shape (channel,)."""
        return galaxy_velocity_kms(self.radio_kms, self.best["vsys_kms"])

    @cached_property
    def data(self) -> np.ndarray:
        """Dirty cube of the data [Jy/beam], (channel, y, x)."""
        return np.asarray(dirty_cube(self.data_store))

    @cached_property
    def modelled(self) -> np.ndarray:
        """Dirty cube of the best model [Jy/beam], with the cells and weights of the data."""
        return self.dirty(self.best_visibilities)

    @cached_property
    def best_visibilities(self) -> np.ndarray:
        """Cell means of the best model [Jy], (channel, v, u)."""
        return self.visibilities(self.best)

    def visibilities(self, parameters: dict[str, float]) -> np.ndarray:
        """Compute the cell means of a model [Jy], (channel, v, u), 0 in cells without data; needs every parameter."""
        return predicted_on_half_plane(self.model, parameters)

    def dirty(self, visibilities: np.ndarray) -> np.ndarray:
        """Make the dirty cube [Jy/beam] of given cell means, with the cells and weights of the data."""
        arrays = dict(self.data_store.arrays) | {"mean": np.where(self.data_store["mask"], visibilities, 0)}
        return np.asarray(dirty_cube(Store(self.data_store.manifest, arrays)))

    def some_draws(self, n: int) -> list[dict[str, float]]:
        """Return the parameters of up to n draws, evenly spread over the chains, including fixed ones."""
        flat = self.draws.reshape(-1, len(self.names))
        chosen = flat[np.linspace(0, len(flat) - 1, min(n, len(flat))).astype(int)]
        return [{**dict(zip(self.names, draw.tolist(), strict=True)), **self.manifest.fixed} for draw in chosen]

    @cached_property
    def residual(self) -> np.ndarray:
        """Data - model [Jy/beam], (channel, y, x)."""
        return self.data - self.modelled

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the residual cube, from its median absolute deviation."""
        return robust_sigma(self.residual)

    @cached_property
    def beam(self) -> Beam:
        """Gaussian fitted to the main lobe of the dirty beam, in the middle of the band."""
        beams = dirty_beam(self.data_store)
        return fit_beam(beams[len(beams) // 2], self.data_store.manifest.cell_arcsec)

    @cached_property
    def radius_arcsec(self) -> float:
        """Radius enclosing 90 % of the disc's flux [arcsec]."""
        return flux_radius_arcsec(self.model, self.best)

    def extent_arcsec(self) -> float:
        """Return the half-width of the maps [arcsec]: the disc plus a margin, within the field."""
        margin = max(1.15 * self.radius_arcsec, 3 * self.beam.major_arcsec)
        return min(margin, 0.5 * self.model.grid.field_arcsec)

    def moments(self, cube: np.ndarray) -> Moments:
        """Compute moments 0, 1, 2 of voxels above four times the noise; velocities are in the galaxy's frame."""
        return moments(cube, self.velocity_kms, threshold=4 * self.noise)

    def aperture(self) -> np.ndarray:
        """Return the mask (y, x) where the model's integrated dirty image exceeds a tenth of its peak."""
        total = self.modelled.sum(axis=0)
        return total > 0.1 * total.max()

    def spectrum(self, cube: np.ndarray) -> np.ndarray:
        """Return the flux density [Jy] in the aperture per channel, without flux that the array resolves out."""
        pixel = self.data_store.manifest.cell_arcsec
        beam_pixels = np.pi * self.beam.major_arcsec * self.beam.minor_arcsec / (4 * np.log(2)) / pixel**2
        return cube[:, self.aperture()].sum(axis=1) / beam_pixels

    def position_velocity(self, cube: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut a cube along the major axis, averaged over a beam width.

        Returns:
            Offsets [arcsec], positive on the receding side, and brightness [Jy/beam], (channel, offset).

        """
        cell, npix = self.data_store.manifest.cell_arcsec, self.data_store.manifest.npix
        half = self.extent_arcsec()
        offset = np.arange(-half, half + cell / 2, cell)
        width = np.arange(-0.5, 0.51, 0.25) * self.beam.minor_arcsec
        pa = np.radians(self.best["pa_deg"])
        east = self.best["x0_arcsec"] + offset * np.sin(pa) + width[:, None] * np.cos(pa)
        north = self.best["y0_arcsec"] + offset * np.cos(pa) - width[:, None] * np.sin(pa)
        places = np.stack([north, east]) / cell + npix // 2
        cut = [map_coordinates(channel, places, order=1, mode="nearest").mean(axis=0) for channel in cube]
        return offset, np.stack(cut)

    @cached_property
    def rotation(self) -> RotationBands:
        """Rotation curve and its components over the posterior."""
        flat = self.draws.reshape(-1, len(self.names))
        chosen = flat[np.linspace(0, len(flat) - 1, min(N_CURVES, len(flat))).astype(int)]
        params = {name: jnp.asarray(chosen[:, i], jnp.float32) for i, name in enumerate(self.names)}
        fixed = {name: jnp.float32(value) for name, value in self.manifest.fixed.items()}
        radius = np.geomspace(0.1 * self.beam.minor_arcsec, max(self.radius_arcsec, self.beam.major_arcsec), 120)

        def bands(component: str) -> np.ndarray:
            def curve(sampled: dict[str, jax.Array]) -> jax.Array:
                at = jnp.asarray(radius, jnp.float32)
                return self.model.circular_velocity(sampled | fixed, at, component=component)

            return np.quantile(np.asarray(jax.jit(jax.vmap(curve))(params)), [0.16, 0.5, 0.84], axis=0)

        titles = {"stars": "stars", "black_hole": BlackHole.title}
        titles |= {component.kind: component.title for component in self.manifest.galaxy.mass}
        return RotationBands(radius, bands("total"), {title: bands(kind) for kind, title in titles.items()})
