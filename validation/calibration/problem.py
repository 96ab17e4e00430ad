"""The small galaxy of the calibration: its prior, its array, and data drawn from the likelihood's own model."""

import hashlib
import json
import tempfile
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from steelyard.data.estimates import data_estimates
from steelyard.data.load import load_gridded
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.simulation import Antennas, simulate
from steelyard.inference.coordinates import Coordinates
from steelyard.inference.density import CellData
from steelyard.inference.problem import Problem, prepare
from steelyard_schemas import ContractError, Store, parse, write_store
from steelyard_schemas.galaxy import Likelihood

GALAXY = """\
kind = "galaxy"
schema_version = "1.1"
name = "Calibration"
[distance]
mpc = 10.0
[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
[data]
path = "data.zarr"
grid = { cell_arcsec = 0.25, npix = 32 }

[priors]
log10_mbh = { kind = "uniform", low = 7.0, high = 9.5 }
log10_sigma_b = { kind = "uniform", low = 2.5, high = 4.5 }
alpha = { kind = "uniform", low = 0.5, high = 5.0 }
gamma = { kind = "uniform", low = 0.1, high = 1.1 }
beta_minus_gamma = { kind = "uniform", low = 0.4, high = 2.0 }
log10_r_b_pc = { kind = "uniform", low = 1.0, high = 2.8 }
q = { kind = "uniform", low = 0.4, high = 0.95 }
inclination_deg = { kind = "sine", low = 25.0, high = 80.0 }
pa_deg = { kind = "uniform", low = 60.0, high = 300.0 }
vsys_kms = { kind = "uniform", low = 1450.0, high = 1550.0 }
x0_arcsec = { kind = "uniform", low = -0.5, high = 0.5 }
y0_arcsec = { kind = "uniform", low = -0.5, high = 0.5 }
sigma_gas_kms = { kind = "log_uniform", low = 5.0, high = 40.0 }
disc_scale_arcsec = { kind = "log_uniform", low = 0.4, high = 1.2 }
flux_jykms = { kind = "log_uniform", low = 10.0, high = 40.0 }

[truth]
log10_mbh = 8.5
log10_sigma_b = 3.5
alpha = 1.5
gamma = 0.6
beta_minus_gamma = 1.0
log10_r_b_pc = 2.0
q = 0.7
inclination_deg = 55.0
pa_deg = 130.0
vsys_kms = 1500.0
x0_arcsec = 0.1
y0_arcsec = -0.05
sigma_gas_kms = 15.0
disc_scale_arcsec = 0.7
flux_jykms = 20.0
"""
ARRAY = {"declination_deg": -25.0, "hours": 0.5, "integration_s": 300.0, "n_channels": 24, "channel_width_kms": 45.0}
NOISE_JY = 0.03
LEAST_COUNT = 4
LIKELIHOODS = ("student_t", "gaussian", "gaussian_x2")


@dataclass(frozen=True)
class Calibration:
    """One galaxy file and one uv coverage, shared by all data sets, so that one compilation serves them all.

    Attributes:
        problem: with the likelihood student_t, on the data of the galaxy file's truth.
        sigma_jy: of the real part of each cell's mean, (channel, v, u); 0 in cells that are not used.
        dof: of the estimate of a cell's variance, from the scatter within that cell and channel alone, as the paper's
            gridder takes it; shape as before.
    """

    problem: Problem
    sigma_jy: np.ndarray
    dof: np.ndarray

    @classmethod
    def make(cls):
        """Observe the galaxy file's truth."""
        rng = np.random.default_rng(4)
        radius, angle = 110 * np.sqrt(rng.random(24)), 2 * np.pi * rng.random(24)
        places = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(24)], axis=1)
        galaxy = parse(tomllib.loads(GALAXY), where="calibration")
        with tempfile.TemporaryDirectory() as folder:
            observed = simulate(galaxy, Antennas(places, 12.0), noise_jy=NOISE_JY, seed=3, **ARRAY)
            write_store(Path(folder) / "data.zarr", observed)
            problem = prepare(galaxy, load_gridded(galaxy, Path(folder)))
        used = problem.data["mask"] & (problem.data["count"] >= LEAST_COUNT)
        count = np.where(used, problem.data["count"], 1)
        # All visibilities weigh the same; the variance of a mean falls with their number.
        sigma = np.where(used, NOISE_JY / np.sqrt(count), 0.0)
        return cls(problem, sigma, np.where(used, 2.0 * (count - 1), 1.0))

    @property
    def names(self):
        """Sampled parameters."""
        return self.problem.parameters.names

    @property
    def identity(self):
        """Hash of everything that a record depends on besides its own settings.

        The renderer is not included: each record's data are drawn from the model that fits them.
        """
        # Noise is drawn for all cells of the box, so that its shape tells which.
        parts = [GALAXY, sorted(ARRAY.items()), NOISE_JY, LEAST_COUNT, self.sigma_jy.shape]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def _means(self):
        model, space = self.problem.model, self.problem.parameters.space
        return jax.jit(lambda scores: model.cell_means(space.constrain(scores)))

    def _on_half_plane(self, listed):
        model = self.problem.model
        return model.uv_cells.on_half_plane(listed, model.grid.npix)

    def truth(self, scores):
        """Sampled parameters (dim,) of prior scores."""
        return np.asarray(self.problem.parameters.space.constrain_array(jnp.asarray(scores)))

    def prior_sd(self):
        """Standard deviation of each parameter's prior, by name."""
        level = (np.arange(4000) + 0.5) / 4000
        scores = jnp.broadcast_to(stats.norm.ppf(level)[:, None], (len(level), len(self.names)))
        values = jax.jit(jax.vmap(self.problem.parameters.space.constrain_array))(scores)
        return dict(zip(self.names, np.std(np.asarray(values, np.float64), axis=0), strict=True))

    def scores(self, values):
        """Prior scores (dim,) of sampled parameters."""
        return np.asarray(self.problem.parameters.space.unconstrain(dict(zip(self.names, values, strict=True))))

    def observe(self, scores, noise, rng):
        """Draw cell means and their estimated variances.

        noise = "likelihood": the variance that is told is the known one, and the mean scatters about the model as the
        likelihood student_t says, by a t of the cell's degrees of freedom. Then data and parameters are a draw from
        the joint distribution that the posterior inverts, and simulation-based calibration is exact.

        noise = "estimated", as a telescope has it: the mean scatters as a Gaussian of the known variance, the
        variance told is an estimate. Of no prior on the variance that could be drawn from is this the joint
        distribution of a t likelihood (its prior 1 / sigma^2 has no integral), so that even the exact likelihood is
        calibrated in the frequentist sense for each cell, and only nearly so for a galaxy.
        """
        model = self._on_half_plane(self._means(jnp.asarray(scores)))
        used = self.sigma_jy > 0
        parts = rng.standard_normal((2, *used.shape))
        spread = np.sqrt(rng.chisquare(self.dof) / self.dof)
        if noise == "likelihood":
            mean, told = model + (parts[0] + 1j * parts[1]) * self.sigma_jy / spread, self.sigma_jy
        else:
            mean, told = model + (parts[0] + 1j * parts[1]) * self.sigma_jy, self.sigma_jy * spread
        inverse = np.divide(1.0, told**2, out=np.zeros(used.shape), where=used)
        uv_cells = self.problem.model.uv_cells
        return CellData(
            jnp.asarray(uv_cells.listed(np.where(used, mean, 0)), jnp.complex64),
            jnp.asarray(uv_cells.listed(inverse), jnp.float32),
            jnp.asarray(uv_cells.listed(self.dof, padding=1), jnp.float32),
        )

    def estimates(self, cells):
        """First look at these data, from which the search for the mode starts.

        On the pixels of the trimmed grid, coarser than those that a fit looks at: starts are rougher than a fit's.
        Where no emission stands out it is that of the galaxy file's truth. No data set is left out for that: a choice
        by the data would spoil the calibration.
        """
        data = self.problem.data
        used = self.sigma_jy > 0
        mean, inverse = self._on_half_plane(cells.mean), self._on_half_plane(cells.inverse_variance)
        variance = np.divide(1.0, inverse, out=np.zeros(used.shape), where=used)
        arrays = {"mean": np.where(used, mean, 0), "variance": variance, "mask": used}
        try:
            return data_estimates(
                Store(data.manifest, dict(data.arrays) | arrays), self.problem.galaxy.line.rest_frequency_hz
            )
        except ContractError:
            return self.problem.estimates

    def with_likelihood(self, kind):
        """Coordinates of the model with another likelihood."""
        problem = self.problem
        galaxy = problem.galaxy.model_copy(update={"likelihood": Likelihood(kind=kind)})
        model = GalaxyModel.of(galaxy, problem.model.grid)
        return Coordinates.of(problem.parameters.space, model, problem.estimates, galaxy.distance.mpc)


def together(one, other):
    """Two data sets of the same cells as one: the likelihood sums over them."""
    return CellData(*(jnp.stack(pair) for pair in zip(one, other, strict=True)))


__all__ = ["LIKELIHOODS", "Calibration", "together"]
