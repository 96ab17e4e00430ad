"""Stellar mass: Gaussians (MGE) from the law in a galaxy file."""

from __future__ import annotations

import json
from typing import NamedTuple
from weakref import WeakValueDictionary

import jax.numpy as jnp
import numpy as np
from kinematics import MGE, LogProcess, axis_ratio_intrinsic, flexible_mge, pc_per_arcsec
from kinematics.registry import Params
from nuker_surrogate import NukerParams, Surrogate, load_surrogate
from steelyard_schemas import ContractError, Galaxy
from steelyard_schemas.ingredients import Flexibility, MgeStars

from steelyard.galaxy.parameters import prior_range

__all__ = [
    "OpticalStars",
    "check_domain",
    "departed",
    "departure",
    "nuker_mge",
    "optical_mge",
    "optical_stars",
    "shared_surrogate",
]


class OpticalStars(NamedTuple):
    """Observed multi-Gaussian expansion, arrays of shape (Gaussian,)."""

    brightness_lsun_pc2: np.ndarray
    """Peak surface brightness [Lsun pc^-2]."""
    sigma_arcsec: np.ndarray
    """Dispersion along the major axis [arcsec]."""
    q_obs: np.ndarray
    """Observed axis ratio."""


def shared_surrogate(which: str) -> Surrogate:
    """Load a surrogate by version or path, or the latest; equal artifacts share one object."""
    found = load_surrogate(None if which == "latest" else which)
    return _LOADED.setdefault(json.dumps(found.manifest.files, sort_keys=True), found)


_LOADED: WeakValueDictionary[str, Surrogate] = WeakValueDictionary()


def nuker_mge(surrogate: Surrogate, params: Params) -> MGE:
    """Return the stellar MGE of a Nuker law, from the surrogate."""
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
    """Read the MGE table of a galaxy file, without the innermost Gaussian if so requested."""
    order = np.argsort(stars.sigma_arcsec)[1 if stars.innermost == "remove" else 0 :]
    columns = (stars.surface_brightness_lsun_pc2, stars.sigma_arcsec, stars.q_obs)
    return OpticalStars(*(np.asarray(column)[order] for column in columns))


def optical_mge(stars: OpticalStars, params: Params) -> MGE:
    """Return the stellar MGE from an observed expansion and a constant mass-to-light ratio."""
    inclination = jnp.radians(params["inclination_deg"])
    dtype = jnp.result_type(inclination)
    return MGE(
        jnp.asarray(stars.brightness_lsun_pc2, dtype) * params["mass_to_light"],
        stars.sigma_arcsec * pc_per_arcsec(jnp.asarray(params["distance_mpc"])),
        axis_ratio_intrinsic(jnp.asarray(stars.q_obs, dtype), inclination),
    )


def departure(flexibility: Flexibility) -> LogProcess:
    """Return the process by which flexible stars depart from their law."""
    return LogProcess.between(
        flexibility.min_radius_pc,
        flexibility.max_radius_pc,
        len(Flexibility.parameters),
        flexibility.amplitude,
        flexibility.length_dex,
    )


def departed(mge: MGE, process: LogProcess, params: Params) -> MGE:
    """Return an MGE that departs from its law by the scores among the parameters."""
    scores = jnp.stack([jnp.asarray(params[parameter.name]) for parameter in Flexibility.parameters])
    return flexible_mge(mge, process, scores)


def check_domain(galaxy: Galaxy, surrogate: Surrogate) -> None:
    """Raise ContractError if a prior exceeds the domain in which the surrogate was validated."""
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
                f"priors.{name} reaches from {reach[0]:g} to {reach[1]:g}, but surrogate {surrogate.version} is "
                f"valid from {low:.6g} to {high:.6g}: set low and high within these limits"
            )
    if problems:
        raise ContractError(galaxy.name, problems)
