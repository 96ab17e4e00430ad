"""The sample's intrinsic relation of black-hole mass to another property, from the single galaxies' posteriors.

log10 M = intercept + slope (x - pivot), with a Gaussian intrinsic scatter in log10 M. Each galaxy was fitted under
its own prior; its draws m_k stand for its likelihood once that is divided out (Hogg, Myers & Bovy 2010):

    L_i(relation) = mean over k of N(m_k | intercept + slope (x_i - pivot), variance_i) / prior_i(m_k),
    variance_i = scatter^2 + slope^2 sd(x_i)^2.

Galaxies with only an upper limit count like all others: their draws say what the data know.
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
"""Draws kept of each galaxy; a mean over them is what the sum needs, and it is taken in every step."""
LEAST_GALAXIES = 4
FEW = 20
"""Effective draws below which one galaxy's weights rest on too few of its draws."""
BOUNDS = {"intercept": (0.0, 14.0), "angle": (-1.55, 1.55), "scatter": (0.01, 3.0)}


class MassDraws(NamedTuple):
    """One galaxy: draws of log10 M_BH, the log of its prior at each, its covariate and that one's error."""

    name: str
    log10_mbh: np.ndarray
    log_prior: np.ndarray
    covariate: float
    covariate_sd: float = 0.0


@dataclass(frozen=True)
class Relation:
    """Posterior of a relation: median and 68 % interval of each part."""

    covariate: str
    pivot: float
    n_galaxies: int
    intercept: tuple[float, float, float]
    """q16, median, q84 of log10 M_BH [Msun] at the pivot."""
    slope: tuple[float, float, float]
    scatter: tuple[float, float, float]
    """Intrinsic, in dex of M_BH."""
    converged: bool
    thin_galaxies: tuple[str, ...]
    """Galaxies whose weights rest on few draws at the median relation: sample them longer, or trust this less."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def read_masses(survey: SurveyFolder, covariate: str) -> list[MassDraws]:
    """Return the draws of every converged galaxy that has the covariate.

    The column `<covariate>_sd` counts as the covariate's error where it is there.

    Raises:
        ContractError: too few galaxies have both.

    Warns:
        UserWarning: a galaxy's record or posterior is damaged, and it is left out.

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
            warnings.warn(f"{job.name} is left out: {error}", UserWarning, stacklevel=2)
            continue
        declared = next((p.prior for p in store.manifest.parameters if p.name == MASS), None)
        prior = None if declared is None else sampler_prior(declared)
        if prior is None or isinstance(prior, float):
            continue  # a mass that was held fixed says nothing of the relation
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

    Priors: uniform in the intercept, in the angle whose tangent is the slope, and in the scatter (0.01 to 3 dex).

    Args:
        galaxies: their draws.
        covariate: its name, for the result.
        seed: of the sampler.

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
    """Lay draws and the logs of their importance weights out as (galaxy, draw); missing ones weigh nothing."""
    n = max(len(galaxy.log10_mbh) for galaxy in galaxies)
    draws, weights = np.zeros((len(galaxies), n)), np.full((len(galaxies), n), -np.inf)
    for i, galaxy in enumerate(galaxies):
        k = len(galaxy.log10_mbh)
        draws[i, :k] = galaxy.log10_mbh
        weights[i, :k] = -galaxy.log_prior - math.log(k)
    return draws, weights


def _effective(terms: np.ndarray) -> np.ndarray:
    """Return (sum w)^2 / sum w^2 of each row."""
    weights = np.exp(terms - terms.max(axis=1, keepdims=True))
    effective: np.ndarray = weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)
    return effective
