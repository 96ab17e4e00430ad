"""Inference problem: a galaxy, its data and its model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jax.typing import DTypeLike
from steelyard_schemas import Galaxy, GriddedVisibilities, Store, job_identity
from steelyard_schemas.ingredients import DataEstimates
from steelyard_schemas.posterior import SubcellGrade

from steelyard.data.crop import trimmed
from steelyard.data.estimates import check_emission, data_estimates
from steelyard.galaxy.accuracy import LEVELS
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.parameters import Parameters, resolve_parameters
from steelyard.inference.coordinates import Coordinates
from steelyard.inference.density import CellData, cell_data

__all__ = ["Problem", "prepare"]


@dataclass(frozen=True)
class Problem:
    """A galaxy, its cropped data and the model that connects them."""

    galaxy: Galaxy
    """Galaxy file."""
    data: Store[GriddedVisibilities]
    """Gridded data, cropped to the longest baseline."""
    estimates: DataEstimates
    """First estimates from the data."""
    parameters: Parameters
    """Parameters and priors."""
    coordinates: Coordinates
    """Coordinates of the sampler, with the model."""

    @property
    def model(self) -> GalaxyModel:
        """The galaxy model."""
        return self.coordinates.model

    @cached_property
    def cells(self) -> CellData:
        """Data of the likelihood in the model's cells and precision."""
        return cell_data(self.data, self.model.uv_cells)

    def with_subcells(self, subcells: SubcellGrade) -> Problem:
        """Return a copy whose model has other subcells."""
        model = self.model.with_levels(LEVELS[subcells])
        return replace(self, coordinates=self.coordinates.with_model(model))

    @property
    def identity(self) -> str:
        """Hash of galaxy file, data, surrogate and priors that identifies a fit.

        Priors are included because those missing from the galaxy file come from first estimates from the data.
        """
        surrogate = self.model.surrogate
        artifact = None if surrogate is None else json.dumps(surrogate.manifest.files, sort_keys=True)
        job = job_identity(self.galaxy, self.data.manifest.content_hash, artifact)
        priors = {name: prior.model_dump(mode="json") for name, prior in self.parameters.priors.items()}
        return "sha256:" + hashlib.sha256(json.dumps([job, priors], sort_keys=True).encode()).hexdigest()


def prepare(galaxy: Galaxy, data: Store[GriddedVisibilities], dtype: DTypeLike = np.float32) -> Problem:
    """Check a galaxy against its data and set up the model, which computes in `dtype`.

    Raises:
        ContractError: priors exceed the surrogate's domain, the data show no emission or a line in absorption, or
            every parameter is fixed.

    """
    rest_hz, cells = galaxy.line.rest_frequency_hz, trimmed(data)
    grid = ModelGrid.of(cells, rest_hz, galaxy.data.primary_beam, dtype)
    model = GalaxyModel.of(galaxy, grid)
    check_emission(data, absorber=galaxy.absorber is not None)
    estimates = data_estimates(data, rest_hz)
    parameters = resolve_parameters(galaxy, estimates)
    coordinates = Coordinates.of(parameters.space, model, estimates, galaxy.distance.mpc)
    return Problem(galaxy, cells, estimates, parameters, coordinates)
