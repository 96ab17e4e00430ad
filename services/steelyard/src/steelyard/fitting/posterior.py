"""Assembly of the `Posterior` contract from chains: marginals, convergence, verdict, provenance."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
from sampler import SamplingResult, summarize
from steelyard_schemas import Posterior, Store
from steelyard_schemas.ingredients import PARAMETERS
from steelyard_schemas.posterior import FitQuality, Inputs, ParameterSummary

from steelyard.data.chi_square import cell_misfit
from steelyard.data.cosmology import distance_warning
from steelyard.fitting.black_hole import black_hole_verdict
from steelyard.fitting.contraction import contraction
from steelyard.fitting.systemic import systemic_velocity
from steelyard.galaxy.accuracy import ChosenSubcells
from steelyard.galaxy.predict import predicted_means
from steelyard.inference.coordinates import sampled_parameters
from steelyard.inference.density import residual_squared
from steelyard.inference.problem import Problem

__all__ = ["build_posterior"]

PACKAGES = (
    "steelyard",
    "steelyard-schemas",
    "nuker-surrogate",
    "vis-gridder",
    "kinematics",
    "sampler",
    "jax",
    "numpy",
)


def build_posterior(
    problem: Problem,
    result: SamplingResult,
    *,
    complete: bool,
    subcells: ChosenSubcells,
    warnings: tuple[str, ...],
) -> Store[Posterior]:
    """Assemble the posterior of a fit.

    Args:
        problem: galaxy and data that were fitted.
        result: result of the sampler.
        complete: false for the finished part of an interrupted run.
        subcells: subcells of the model.
        warnings: warnings of the mode search.

    Returns:
        Posterior store.

    """
    parameters, galaxy = problem.parameters, problem.galaxy
    draws = sampled_parameters(problem.coordinates, result.draws)
    settings = galaxy.sampler
    summary = summarize(draws, parameters.names, target_rhat=settings.max_rhat, target_ess=settings.target_ess)
    quantiles = np.quantile(draws.reshape(-1, draws.shape[-1]), [0.05, 0.16, 0.5, 0.84, 0.95], axis=0)
    marginals = tuple(
        ParameterSummary(
            name=name,
            unit=PARAMETERS[name].unit,
            prior=parameters.priors[name],
            mean=summary.mean[i],
            sd=summary.sd[i],
            q05=quantiles[0, i],
            q16=quantiles[1, i],
            median=quantiles[2, i],
            q84=quantiles[3, i],
            q95=quantiles[4, i],
            rhat=_finite(summary.rhat[i]),
            ess_bulk=_finite(summary.ess_bulk[i]),
            ess_tail=_finite(summary.ess_tail[i]),
            contraction=contraction(draws[..., i], parameters.space.priors[name]),
        )
        for i, name in enumerate(parameters.names)
    )
    converged = complete and summary.converged and not result.suspect_chains
    vsys = parameters.names.index("vsys_kms") if "vsys_kms" in parameters.names else None
    systemic = systemic_velocity(
        np.asarray(parameters.fixed["vsys_kms"]) if vsys is None else draws[..., vsys],
        problem.data.manifest.observation.frequency_frame,
    )
    warnings += _run_warnings(problem, result, summary.converged)
    if (about_distance := distance_warning(galaxy.distance.mpc, systemic.redshift)) is not None:
        warnings += (about_distance,)
    quality = _quality(problem, result, subcells, warnings)
    surrogate = problem.model.surrogate
    mbh = parameters.names.index("log10_mbh") if "log10_mbh" in parameters.names else None
    manifest = Posterior(
        galaxy=galaxy,
        converged=converged,
        complete=complete,
        parameters=marginals,
        fixed=parameters.fixed,
        black_hole=black_hole_verdict(
            None if mbh is None else draws[..., mbh],
            parameters.priors.get("log10_mbh"),
            parameters.fixed.get("log10_mbh"),
        ),
        systemic_velocity=systemic,
        quality=quality,
        inputs=Inputs(
            galaxy_hash="sha256:" + hashlib.sha256(galaxy.model_dump_json().encode()).hexdigest(),
            gridded_hash=problem.data.manifest.content_hash,
            surrogate_version=None if surrogate is None else surrogate.version,
            surrogate_hash=None if surrogate is None else surrogate.manifest.files["weights.msgpack"],
            packages={name: version(name) for name in PACKAGES},
        ),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    chain, draw = (np.arange(n, dtype=np.int64) for n in draws.shape[:2])
    arrays = {
        "posterior/chain": chain,
        "posterior/draw": draw,
        "sample_stats/chain": chain,
        "sample_stats/draw": draw,
        "sample_stats/lp": np.asarray(result.log_density, np.float64),
        **{f"posterior/{name}": np.ascontiguousarray(draws[..., i]) for i, name in enumerate(parameters.names)},
    }
    return Store(manifest, arrays)


def _quality(
    problem: Problem, result: SamplingResult, subcells: ChosenSubcells, warnings: tuple[str, ...]
) -> FitQuality:
    cells = problem.cells
    best = np.unravel_index(np.argmax(result.log_density), result.log_density.shape)
    z = jnp.asarray(result.draws[best])
    model = predicted_means(problem.model, problem.coordinates.parameters(z))
    residual = np.asarray(residual_squared(model, cells), np.float64)
    dof = np.asarray(cells.dof, np.float64)
    misfit = cell_misfit(residual, dof, np.asarray(cells.inverse_variance) > 0)
    prior = float(problem.coordinates.log_prior(z))
    return FitQuality(
        log_likelihood=float(result.log_density[best]) - prior,
        chi2=float(misfit.chi2.sum()),
        n_data=2 * int(misfit.used.sum()),
        acceptance_rate=float(np.clip(np.mean(result.acceptance), 0, 1)),
        step_size=result.step_size,
        jump_acceptance_rate=(
            None if result.jump_acceptance is None else float(np.clip(np.mean(result.jump_acceptance), 0, 1))
        ),
        n_gradients=result.n_gradients,
        n_jumps=result.n_jumps,
        wall_s=result.warmup_seconds + result.sampling_seconds,
        subcells=subcells.subcells,
        visibility_error=subcells.visibility_error,
        shift_sigma=subcells.shift_sigma,
        warnings=warnings,
    )


def _run_warnings(problem: Problem, result: SamplingResult, met_targets: bool) -> tuple[str, ...]:
    warnings = []
    if not met_targets:
        settings = problem.galaxy.sampler
        warnings.append(
            f"not converged: largest R-hat {result.summary.max_rhat:.3f} (target {settings.max_rhat:g}), smallest "
            f"ESS {result.summary.min_ess:.0f} (target {settings.target_ess:g}); raise sampler.max_steps, run again"
        )
    if result.suspect_chains:
        warnings.append(
            f"chains {list(result.suspect_chains)} sit in a minor mode: run again with another sampler.seed"
        )
    return tuple(warnings)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
