"""Convergence diagnostics and posterior summaries, computed by ArviZ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Levels of `Summary.quantiles`: median, 68 % and 95 % intervals."""

_TAIL = (0.05, 0.95)  # the quantiles of which Vehtari et al. (2021) take the smaller ESS


@dataclass(frozen=True)
class Summary:
    """Posterior summary of p parameters.

    Attributes:
        names: (p,) parameter names.
        mean, sd: (p,) mean and standard deviation.
        quantiles: (p, 5) at `QUANTILES`.
        rhat: (p,) rank-normalised split R-hat (Vehtari et al. 2021); nan if a chain never moved.
        ess_bulk, ess_tail: (p,) effective sample sizes.
        converged: R-hat and both ESS reach their targets for every parameter.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    quantiles: np.ndarray
    rhat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray
    converged: bool

    @property
    def max_rhat(self) -> float:
        """Worst R-hat; infinite if any is undefined."""
        return float(np.max(np.nan_to_num(self.rhat, nan=np.inf)))

    @property
    def min_ess(self) -> float:
        """Smallest bulk or tail effective sample size; zero if any is undefined."""
        return float(np.min(np.nan_to_num([self.ess_bulk, self.ess_tail], nan=0.0)))


def summarize(
    draws: np.ndarray, names: Sequence[str] | None = None, *, target_rhat: float = 1.01, target_ess: float = 400.0
) -> Summary:
    """Summarise draws of shape (chain, draw, parameter).

    Args:
        draws: samples; constrained or unconstrained (R-hat and ESS are rank-based and hardly differ).
        names: one per parameter; "0", "1", ... by default.
        target_rhat: `converged` needs every R-hat below this,
        target_ess: and every bulk and tail ESS above this.

    Raises:
        ValueError: on fewer than 2 chains or 4 draws, or names that do not match.
    """
    # ArviZ imports xarray and pandas where they are installed, which takes half of this package's import time.
    from arviz_stats.base import array_stats

    draws = np.asarray(draws, np.float64)
    if draws.ndim != 3 or draws.shape[0] < 2 or draws.shape[1] < 4:
        raise ValueError(f"draws has shape {draws.shape}: expected (chain >= 2, draw >= 4, parameter)")
    names = tuple(str(i) for i in range(draws.shape[2])) if names is None else tuple(names)
    if len(names) != draws.shape[2]:
        raise ValueError(f"{len(names)} names for {draws.shape[2]} parameters")
    by_parameter = np.moveaxis(draws, -1, 0)
    # A chain that never moved has no within-chain variance: its R-hat is nan, which counts as not converged.
    with np.errstate(invalid="ignore", divide="ignore"):
        rhat = np.asarray(array_stats.rhat(by_parameter))
        bulk = np.asarray(array_stats.ess(by_parameter, method="bulk"))
        tail = np.asarray(array_stats.ess(by_parameter, method="tail", prob=_TAIL))
    pooled = draws.reshape(-1, draws.shape[2])
    converged = bool(np.all(rhat < target_rhat) and np.all(bulk > target_ess) and np.all(tail > target_ess))
    return Summary(
        names,
        pooled.mean(axis=0),
        pooled.std(axis=0, ddof=1),
        np.quantile(pooled, QUANTILES, axis=0).T,
        rhat,
        bulk,
        tail,
        converged,
    )


def suspect_chains(log_density: np.ndarray) -> tuple[int, ...]:
    """Find chains stuck in a lower mode: median log-density far below the best chain's.

    Args:
        log_density: (chain, draw).

    Returns:
        Chain numbers whose median lies more than 5 + 5 within-chain standard deviations below.
    """
    median = np.median(log_density, axis=1)
    spread = log_density[np.argmax(median)].std()
    return tuple(int(i) for i in np.flatnonzero(median < median.max() - 5.0 - 5.0 * spread))
