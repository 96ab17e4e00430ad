"""Parameters of a galaxy: priors, with defaults from the data, and their map to the sampler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import sampler
from kinematics import C_KMS, radio_velocity_kms
from steelyard_schemas import ContractError, Galaxy
from steelyard_schemas.ingredients import DataEstimates, Distance, Parameter
from steelyard_schemas.priors import Fixed, LogUniform, Normal, Prior, Sine, Uniform

__all__ = ["Parameters", "prior_range", "resolve_parameters", "sampler_prior"]


REDSHIFT_REACH_KMS = 300.0
"""Half-width of the prior on the systemic velocity about a given redshift [km/s], in the galaxy's frame."""


class Parameters(NamedTuple):
    """Priors of the sampled parameters, in the order of the sampler's vector, and the space they span."""

    priors: Mapping[str, Prior]
    """Priors by name."""
    space: sampler.ParameterSpace
    """Parameter space of the sampler, including fixed values."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sampled parameters."""
        return self.space.names

    @property
    def fixed(self) -> dict[str, float]:
        """Values of the parameters that are not sampled."""
        return dict(self.space.fixed)


def resolve_parameters(galaxy: Galaxy, estimates: DataEstimates) -> Parameters:
    """Derive priors missing from the galaxy file from the data, and separate fixed parameters.

    Raises:
        ContractError: every parameter is fixed, or the data do not cover the line at the given redshift.

    """
    given = {parameter.name: _prior(galaxy, parameter, estimates) for parameter in galaxy.parameters}
    sampled = {name: prior for name, prior in given.items() if not isinstance(prior, Fixed)}
    if not sampled:
        raise ContractError(galaxy.name, "priors: every parameter is fixed; nothing is left to sample")
    return Parameters(sampled, sampler.ParameterSpace({name: sampler_prior(prior) for name, prior in given.items()}))


def _prior(galaxy: Galaxy, parameter: Parameter, estimates: DataEstimates) -> Prior:
    """Return the prior of the galaxy file, or the one derived from the data."""
    if parameter.name == "distance_mpc":
        return _distance_prior(galaxy.distance)
    if (given := galaxy.priors[parameter.name]) is not None:
        return given
    if parameter.name == "vsys_kms" and galaxy.line.redshift is not None:
        return _about_redshift(galaxy, galaxy.line.redshift, estimates)
    assert callable(parameter.prior)
    return parameter.prior(estimates)


def _distance_prior(distance: Distance) -> Prior:
    if distance.sd_mpc is None:
        return Fixed(value=distance.mpc)
    return Normal(mean=distance.mpc, sd=distance.sd_mpc, low=distance.mpc / 10)


def _about_redshift(galaxy: Galaxy, z: float, estimates: DataEstimates) -> Prior:
    """Uniform prior on the systemic velocity [km/s, radio definition], around a redshift and within the band."""
    middle = radio_velocity_kms(z)
    half = REDSHIFT_REACH_KMS / (1 + z)
    low, high = max(middle - half, estimates.velocity_min_kms), min(middle + half, estimates.velocity_max_kms)
    if not low < high:
        rest_ghz = galaxy.line.rest_frequency_hz / 1e9
        edges = [rest_ghz * (1 - v / C_KMS) for v in (estimates.velocity_max_kms, estimates.velocity_min_kms)]
        raise ContractError(
            galaxy.name,
            f"line.redshift = {z:g} puts {galaxy.line.name} at {rest_ghz / (1 + z):.6g} GHz, but the data cover "
            f"{edges[0]:.6g} to {edges[1]:.6g} GHz: check redshift and rest frequency",
        )
    return Uniform(low=low, high=high)


def sampler_prior(prior: Prior) -> sampler.Prior | float:
    """Convert a prior of the galaxy file to the sampler's; a fixed value becomes a number."""
    match prior:
        case Fixed():
            return prior.value
        case Uniform():
            return sampler.Uniform(prior.low, prior.high)
        case LogUniform():
            return sampler.LogUniform(prior.low, prior.high)
        case Sine():
            return sampler.Sine(prior.low, prior.high, degrees=True)
        case Normal():
            low = -math.inf if prior.low is None else prior.low
            high = math.inf if prior.high is None else prior.high
            return sampler.Normal(prior.mean, prior.sd, low, high)


def prior_range(prior: Prior) -> tuple[float, float]:
    """Return the lowest and highest value that a prior allows."""
    if isinstance(prior, Fixed):
        return prior.value, prior.value
    if isinstance(prior, Normal):
        return (-np.inf if prior.low is None else prior.low, np.inf if prior.high is None else prior.high)
    return prior.low, prior.high
