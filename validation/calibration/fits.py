"""One data set of the calibration: fit it as `steelyard fit` does, and keep where the truth lies."""

import json
import time
from dataclasses import dataclass

import numpy as np
from sampler import MalaConfig, Monitor, find_mode, sample, summarize
from steelyard.fitting.run import STEPS_BETWEEN_NEWS
from steelyard.inference.approximation import Features, approximation_about
from steelyard.inference.coordinates import sampled_at, sampled_parameters
from steelyard.inference.density import log_density
from steelyard.inference.starts import starting_points
from steelyard_schemas import atomic_path

N_RANKED = 99
"""Draws that a truth is ranked among, thinned until they hardly know each other."""
QUANTILES = (0.025, 0.16, 0.25, 0.5, 0.75, 0.84, 0.975)


@dataclass(frozen=True)
class Effort:
    """Sampler settings of each fit, which stops when every parameter reaches the target ESS."""

    target_ess: float = 200.0
    max_rhat: float = 1.02
    max_steps: int = 4000
    n_starts: int = 8
    n_chains: int = 4


def fit_cells(parameters, coordinates, cells, estimates, effort, seed):
    """Sample one posterior; return draws of the parameters (chain, draw, p), the result, and the seconds it took."""
    clock = _Clock()
    points = starting_points(parameters, coordinates, estimates, effort.n_starts, seed)
    mode = find_mode(
        log_density,
        points,
        args=(coordinates, cells),
        batch_size=min(effort.n_chains, effort.n_starts),
        progress=clock.progress,
    )
    clock.tick("search")
    approximation = approximation_about(mode, Features.of(coordinates), cells)
    clock.tick("expansion")
    config = MalaConfig(
        n_chains=effort.n_chains,
        max_steps=effort.max_steps,
        target_ess=effort.target_ess,
        target_rhat=effort.max_rhat,
        seed=seed,
        block=STEPS_BETWEEN_NEWS,
    )
    result = sample(
        log_density,
        mode,
        config,
        args=(coordinates, cells),
        approximation=approximation,
        monitor=Monitor(sampled_at, (coordinates,)),
        progress=clock.progress,
    )
    clock.tick("rest")
    draws = sampled_parameters(coordinates, result.draws)
    clock.tick("parameters")
    return draws, result, clock.seconds


class _Clock:
    """Seconds of each part; the phases of the sampler, from one progress report to the next."""

    def __init__(self):
        self.seconds = {}
        self._last = time.perf_counter()

    def tick(self, part):
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def progress(self, told):
        self.tick("search" if told.phase == "optimise" else told.phase)


def record(calibration, kind, cells, estimates, truth, effort, seed):
    """Fit one data set and say where its truth (dim,) lies among the draws."""
    coordinates = calibration.with_likelihood(kind)
    draws, result, seconds = fit_cells(calibration.problem.parameters, coordinates, cells, estimates, effort, seed)
    names = calibration.names
    summary = summarize(draws, names, target_rhat=effort.max_rhat, target_ess=effort.target_ess)
    flat = np.swapaxes(draws, 0, 1).reshape(-1, draws.shape[-1])  # in the order of steps, so that thinning spreads
    thinned = flat[np.linspace(0, len(flat) - 1, N_RANKED).round().astype(int)]
    parameters = {}
    for i, name in enumerate(names):
        parameters[name] = {
            "truth": float(truth[i]),
            "rank": int(np.sum(thinned[:, i] < truth[i])),
            "below": float(np.mean(flat[:, i] < truth[i])),
            "mean": float(summary.mean[i]),
            "sd": float(summary.sd[i]),
            "quantiles": [float(q) for q in np.quantile(flat[:, i], QUANTILES)],
            "rhat": _finite(summary.rhat[i]),
            "ess": _finite(min(summary.ess_bulk[i], summary.ess_tail[i])),
        }
    return {
        "parameters": parameters,
        "converged": bool(summary.converged and not result.suspect_chains),
        "max_rhat": _finite(summary.max_rhat),
        "min_ess": _finite(summary.min_ess),
        "n_gradients": result.n_gradients,
        "n_jumps": result.n_jumps,
        "jump_acceptance": float(result.jump_acceptance.mean()),
        "seconds": {part: round(value, 3) for part, value in seconds.items()},
    }


def _finite(value):
    return float(value) if np.isfinite(value) else None


def keep(path, contents):
    """Write one record whole or not at all."""
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(contents, indent=1) + "\n")
