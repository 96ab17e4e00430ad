"""Assembly of the `Posterior` contract from chains: marginals, convergence, verdict, provenance."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
from sampler import SamplingResult, Summary, summarize
from steelyard_schemas import Posterior, Store
from steelyard_schemas.ingredients import PARAMETERS
from steelyard_schemas.posterior import BlackHole, FitQuality, Inputs, ParameterSummary, SystemicVelocity

from steelyard.data.chi_square import cell_misfit
from steelyard.data.cosmology import distance_warning
from steelyard.fitting.black_hole import black_hole_verdict
from steelyard.fitting.contraction import contraction
from steelyard.fitting.peaks import Peaks, PeaksFound, judge_peaks
from steelyard.fitting.systemic import systemic_velocity
from steelyard.galaxy.accuracy import ChosenSubcells
from steelyard.galaxy.parameters import Parameters
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
    peaks: Peaks | None,
) -> Store[Posterior]:
    """Assemble the posterior of a fit.

    Args:
        problem: galaxy and data that were fitted.
        result: result of the sampler.
        complete: false for the finished part of an interrupted run.
        subcells: subcells of the model.
        warnings: warnings of the mode search.
        peaks: separate peaks that the mode search found, None if there is only one.

    Returns:
        Posterior store.

    """
    draws = sampled_parameters(problem.coordinates, result.draws)
    settings, names = problem.galaxy.sampler, problem.parameters.names
    summary = summarize(draws, names, target_rhat=settings.max_rhat, target_ess=settings.target_ess)
    systemic = _systemic(problem, draws)
    found = _peaks_found(problem, peaks, result.draws)
    warnings += _run_warnings(problem, result, summary.converged) + found.warnings
    if (about_distance := distance_warning(problem.galaxy.distance.mpc, systemic.redshift)) is not None:
        warnings += (about_distance,)
    manifest = Posterior(
        galaxy=problem.galaxy,
        converged=complete and summary.converged and found.all_visited and not result.suspect_chains,
        complete=complete,
        parameters=_marginals(problem.parameters, draws, summary),
        fixed=problem.parameters.fixed,
        black_hole=_black_hole(problem.parameters, draws),
        systemic_velocity=systemic,
        quality=_quality(problem, result, subcells, warnings),
        inputs=_inputs(problem),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Store(manifest, _arrays(names, draws, result.log_density))


def _peaks_found(problem: Problem, peaks: Peaks | None, draws: np.ndarray) -> PeaksFound:
    """Judge the peaks of the posterior; each is described by its black hole, or by its first parameter."""
    if peaks is None:
        return PeaksFound(True, ())
    names = problem.parameters.names
    name = "log10_mbh" if "log10_mbh" in names else names[0]

    def describe(position: np.ndarray) -> str:
        return f"{name} = {float(problem.coordinates.parameters(jnp.asarray(position))[name]):.4g}"

    return judge_peaks(peaks, draws.reshape(-1, draws.shape[-1]), describe)


def _marginals(parameters: Parameters, draws: np.ndarray, summary: Summary) -> tuple[ParameterSummary, ...]:
    """Summarise each sampled parameter from its draws."""
    quantiles = np.quantile(draws.reshape(-1, draws.shape[-1]), [0.05, 0.16, 0.5, 0.84, 0.95], axis=0)
    return tuple(
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


def _draws_of(name: str, parameters: Parameters, draws: np.ndarray) -> np.ndarray | None:
    """Return the draws of one parameter, None if it was not sampled."""
    return draws[..., parameters.names.index(name)] if name in parameters.names else None


def _systemic(problem: Problem, draws: np.ndarray) -> SystemicVelocity:
    """Return the systemic velocity in all conventions, whether sampled or fixed."""
    sampled = _draws_of("vsys_kms", problem.parameters, draws)
    return systemic_velocity(
        np.asarray(problem.parameters.fixed["vsys_kms"]) if sampled is None else sampled,
        problem.data.manifest.observation.frequency_frame,
    )


def _black_hole(parameters: Parameters, draws: np.ndarray) -> BlackHole:
    """Return the verdict on the black hole, whether its mass was sampled or fixed."""
    name = "log10_mbh"
    return black_hole_verdict(
        _draws_of(name, parameters, draws), parameters.priors.get(name), parameters.fixed.get(name)
    )


def _inputs(problem: Problem) -> Inputs:
    """Return hashes and versions of everything that a fit depends on."""
    surrogate = problem.model.surrogate
    return Inputs(
        galaxy_hash="sha256:" + hashlib.sha256(problem.galaxy.model_dump_json().encode()).hexdigest(),
        gridded_hash=problem.data.manifest.content_hash,
        surrogate_version=None if surrogate is None else surrogate.version,
        surrogate_hash=None if surrogate is None else surrogate.manifest.files["weights.msgpack"],
        packages={name: version(name) for name in PACKAGES},
    )


def _arrays(names: tuple[str, ...], draws: np.ndarray, log_density: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of the store, as ArviZ names them, from draws (chain, draw, parameter)."""
    chain, draw = (np.arange(n, dtype=np.int64) for n in draws.shape[:2])
    return {
        "posterior/chain": chain,
        "posterior/draw": draw,
        "sample_stats/chain": chain,
        "sample_stats/draw": draw,
        "sample_stats/lp": np.asarray(log_density, np.float64),
        **{f"posterior/{name}": np.ascontiguousarray(draws[..., i]) for i, name in enumerate(names)},
    }


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
