"""Intrinsic relation between black-hole mass and another property, from the posteriors of a sample.

log10 M = intercept + slope (x - pivot), with a Gaussian intrinsic scatter in log10 M. Each galaxy was fitted with
its own prior; dividing it out, its draws m_k represent the likelihood (Hogg, Myers & Bovy 2010):

    L_i(relation) = mean over k of N(m_k | intercept + slope (x_i - pivot), variance_i) / prior_i(m_k),
    variance_i = scatter^2 + slope^2 sd(x_i)^2.

Galaxies with only an upper limit are treated like all others: their draws contain the information of the data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.stats import norm
from sampler import MalaConfig, ParameterSpace, Uniform, find_mode, sample, summarize
from steelyard_schemas import ContractError, Posterior, read_store

from steelyard.galaxy.parameters import sampler_prior
from steelyard.survey.folder import SurveyFolder

__all__ = ["MassDraws", "Relation", "fit_relation", "read_masses"]

MASS = "log10_mbh"
MOST_DRAWS = 1000
"""Maximum number of draws per galaxy; every sampler step averages over them."""
LEAST_GALAXIES = 4
FEW = 20
"""Minimum effective number of draws behind the weight of a galaxy."""
BOUNDS = {"intercept": (0.0, 14.0), "angle": (-1.55, 1.55), "scatter": (0.01, 3.0)}


class MassDraws(NamedTuple):
    """Mass draws and covariate of one galaxy."""

    name: str
    """Name of the galaxy."""
    log10_mbh: np.ndarray
    """Draws of log10 M_BH [Msun], shape (draw,)."""
    log_prior: np.ndarray
    """Log prior density at each draw, shape (draw,)."""
    covariate: float
    """Covariate of the relation."""
    covariate_sd: float = 0.0
    """Standard deviation of the covariate."""


@dataclass(frozen=True)
class Relation:
    """Posterior of a relation; intervals are (q16, median, q84)."""

    covariate: str
    """Name of the covariate."""
    pivot: float
    """Covariate at which the intercept is quoted."""
    n_galaxies: int
    """Number of galaxies."""
    intercept: tuple[float, float, float]
    """log10 M_BH [Msun] at the pivot."""
    slope: tuple[float, float, float]
    """Slope in dex of M_BH per unit of the covariate."""
    scatter: tuple[float, float, float]
    """Intrinsic scatter in M_BH [dex]."""
    converged: bool
    """Whether the chains converged."""
    thin_galaxies: tuple[str, ...]
    """Galaxies whose weights rest on few draws at the median relation; sample them longer."""

    def as_json(self) -> dict[str, Any]:
        """Return the relation as plain data."""
        return asdict(self)


def read_masses(survey: SurveyFolder, covariate: str) -> list[MassDraws]:
    """Return the draws of every converged galaxy that has the covariate.

    Errors of the covariate are taken from the column `<covariate>_sd`, if present.

    Raises:
        ContractError: too few galaxies have both mass and covariate.

    Warns:
        UserWarning: a galaxy is omitted because its record or posterior is damaged.

    """
    found = []
    for job in survey.jobs():
        value = job.columns.get(covariate)
        if not isinstance(value, float):
            continue
        try:
            record = survey.record(job.output)
            if record is None or record.status != "converged":
                continue
            store = read_store(survey.job_folder(job.output) / "posterior.zarr", Posterior)
        except ContractError as error:
            warnings.warn(f"{job.name} is omitted: {error}", UserWarning, stacklevel=2)
            continue
        declared = next((p.prior for p in store.manifest.parameters if p.name == MASS), None)
        prior = None if declared is None else sampler_prior(declared)
        if prior is None or isinstance(prior, float):
            continue  # a fixed mass carries no information about the relation
        draws = store[f"posterior/{MASS}"].ravel()
        draws = draws[:: math.ceil(len(draws) / MOST_DRAWS)]
        spread = job.columns.get(f"{covariate}_sd", 0.0)
        log_prior = np.asarray(prior.log_prob(draws), np.float64)
        found.append(MassDraws(job.name, draws, log_prior, value, spread if isinstance(spread, float) else 0.0))
    if len(found) < LEAST_GALAXIES:
        raise ContractError(
            survey.path,
            f"{len(found)} converged galaxies have a number in the column '{covariate}': a relation needs "
            f"{LEAST_GALAXIES} or more",
        )
    return found


def fit_relation(galaxies: Sequence[MassDraws], covariate: str, *, seed: int = 1) -> Relation:
    """Sample intercept, slope and scatter.

    Priors are uniform in the intercept, in the angle whose tangent is the slope, and in the scatter (0.01 to 3 dex).

    Args:
        galaxies: mass draws and covariates.
        covariate: name of the covariate, for the result.
        seed: random seed of the sampler.

    """
    with jax.enable_x64(True):
        return _fit(galaxies, covariate, seed)


def _fit(galaxies: Sequence[MassDraws], covariate: str, seed: int) -> Relation:
    x = np.array([galaxy.covariate for galaxy in galaxies])
    pivot = float(x.mean())
    draws, weights = _padded(galaxies)
    data = (
        jnp.asarray(draws),
        jnp.asarray(weights),
        jnp.asarray(x - pivot)[:, None],
        jnp.asarray([galaxy.covariate_sd for galaxy in galaxies])[:, None],
    )
    space = ParameterSpace({name: Uniform(*bounds) for name, bounds in BOUNDS.items()})

    def log_terms(z: Array, draws: Array, weights: Array, offset: Array, spread: Array) -> Array:
        values = space.constrain(z)
        slope = jnp.tan(values["angle"])
        sd = jnp.sqrt(values["scatter"] ** 2 + (slope * spread) ** 2)
        return weights + norm.logpdf(draws, values["intercept"] + slope * offset, sd)

    def log_density(z: Array, *data: Array) -> Array:
        return jax.nn.logsumexp(log_terms(z, *data), axis=1).sum() + space.log_prior(z)

    middle = np.array([np.median(galaxy.log10_mbh) for galaxy in galaxies])
    slope = float(np.polyfit(x - pivot, middle, 1)[0]) if np.ptp(x) > 0 else 0.0
    guess = {
        "intercept": float(middle.mean()),
        "angle": float(np.clip(np.arctan(slope), -1.5, 1.5)),
        "scatter": float(np.clip(np.std(middle - middle.mean() - slope * (x - pivot)), 0.05, 2.0)),
    }
    start = np.asarray(space.unconstrain(guess))
    mode = find_mode(log_density, start + 0.1 * np.random.default_rng(seed).normal(size=(4, 3)), args=data)
    result = sample(log_density, mode, MalaConfig(seed=seed), args=data)
    values = np.array(space.constrain_array(jnp.asarray(result.draws)))
    values[..., 1] = np.tan(values[..., 1])
    summary = summarize(values, ("intercept", "slope", "scatter"))
    quantiles = np.quantile(values.reshape(-1, 3), [0.16, 0.5, 0.84], axis=0)
    terms = np.asarray(log_terms(jnp.asarray(np.median(result.draws.reshape(-1, 3), axis=0)), *data))
    effective = _effective(terms)
    intercept, slopes, scatter = ((float(q[0]), float(q[1]), float(q[2])) for q in quantiles.T)
    return Relation(
        covariate,
        pivot,
        len(galaxies),
        intercept,
        slopes,
        scatter,
        bool(summary.converged),
        tuple(galaxy.name for galaxy, n in zip(galaxies, effective, strict=True) if n < FEW),
    )


def _padded(galaxies: Sequence[MassDraws]) -> tuple[np.ndarray, np.ndarray]:
    """Arrange draws and their log importance weights as (galaxy, draw); padding has zero weight."""
    n = max(len(galaxy.log10_mbh) for galaxy in galaxies)
    draws, weights = np.zeros((len(galaxies), n)), np.full((len(galaxies), n), -np.inf)
    for i, galaxy in enumerate(galaxies):
        k = len(galaxy.log10_mbh)
        draws[i, :k] = galaxy.log10_mbh
        weights[i, :k] = -galaxy.log_prior - math.log(k)
    return draws, weights


def _effective(terms: np.ndarray) -> np.ndarray:
    """Return the effective number of draws, (sum w)^2 / sum w^2, of each row."""
    weights = np.exp(terms - terms.max(axis=1, keepdims=True))
    effective: np.ndarray = weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)
    return effective
