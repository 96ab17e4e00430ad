"""Evidence from posterior draws, by bridge sampling.

The evidence Z, the integral of a density p that is known up to this number, is bridged to that of a proposal q which
is normalised: Z = E_q[h p] / E_p[h q] for any function h. The optimal one, 1 / (s_1 p + s_2 Z q), holds Z itself and
is found by iteration (Meng & Wong 1996, Statistica Sinica 6, 831). Here q is a Gaussian kernel density of half of the
draws, which follows bent posteriors as a single Gaussian would not; the other half enters the estimate, so that q
is independent of the draws that it is compared with (Overstall & Forster 2010).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

from sampler.density import LogDensity, batches, value_program, working_dtype
from sampler.progress import Progress, ProgressCallback

_CENTRES = 1000
_ITERATIONS = 1000
_TOLERANCE = 1e-10
_LEAST_DRAWS = 50


class Evidence(NamedTuple):
    """Estimate of ln Z.

    Attributes:
        log_evidence: ln of the integral of exp(log_density) over all of the unconstrained space.
        error: Monte Carlo standard deviation of `log_evidence`, with the autocorrelation of the chains
            (Fruehwirth-Schnatter 2004, Econometrics Journal 7, 143). Above about 0.5 it is itself uncertain.
        overlap: overlap of posterior p and proposal q, 2 E_p[q / (p + q)]: 1 if they are equal, 0 if disjoint.
            Well below 0.01 the estimate depends on a few points.
        n_evaluations: evaluations of the density.
    """

    log_evidence: float
    error: float
    overlap: float
    n_evaluations: int


def log_evidence(
    log_density: LogDensity,
    draws: np.ndarray,
    values: np.ndarray,
    *,
    args: tuple[Any, ...] = (),
    n_proposals: int = 1000,
    batch_size: int = 4,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Evidence:
    """Estimate the evidence of a density from its draws.

    Args:
        log_density: `log_density(z, *args)`, scalar; see `sample`. Constants that it omits, the evidence omits.
        draws: (chain, draw, dim), unconstrained, converged; at least 50 in each chain.
        values: (chain, draw), the log-density at the draws.
        args: further arguments of the density.
        n_proposals: evaluations of the density to spend; the error falls as the square root of this number or of
            the number of effective draws, whichever is smaller.
        batch_size: points evaluated together.
        seed: random seed of the proposals.
        progress: called after every batch of evaluations.

    Raises:
        ValueError: shapes that do not match, too few draws, or draws that never moved.
    """
    draws, values = np.asarray(draws), np.asarray(values, np.float64)
    if draws.ndim != 3 or values.shape != draws.shape[:2]:
        raise ValueError(
            f"draws of shape {draws.shape} and values of shape {values.shape}: expected (chain, draw, dim)"
        )
    if draws.shape[1] < _LEAST_DRAWS:
        raise ValueError(f"{draws.shape[1]} draws in each chain: at least {_LEAST_DRAWS} are needed")
    half = draws.shape[1] // 2
    proposal = _proposal(draws[:, :half])
    proposed = proposal.resample(n_proposals, seed=np.random.default_rng(seed)).T
    at_proposed = _evaluate(log_density, proposed.astype(working_dtype(draws)), args, batch_size, progress)
    kept = draws[:, half:].astype(np.float64)
    log_q_kept = proposal.logpdf(kept.reshape(-1, kept.shape[-1]).T).reshape(kept.shape[:2])
    estimate, error, overlap = bridge(values[:, half:] - log_q_kept, at_proposed - proposal.logpdf(proposed.T))
    return Evidence(estimate, error, overlap, n_proposals)


def bridge(at_draws: np.ndarray, at_proposed: np.ndarray) -> tuple[float, float, float]:
    """Return ln Z, its standard deviation and the overlap.

    Args:
        at_draws: (chain, draw), ln p - ln q at draws from p.
        at_proposed: (n,), the same at independent draws from q; -inf where p vanishes.
    """
    from arviz_stats.base import array_stats  # imported late, as in the diagnostics

    log_ratio = np.ravel(at_draws)
    # Correlated draws are worth their effective number; the optimal bridge weighs the two samples by their worth.
    effective = min(float(array_stats.ess(at_draws, method="mean")), float(log_ratio.size))
    share = effective / (effective + len(at_proposed))
    log_s1, log_s2 = np.log(share), np.log1p(-share)

    def terms(log_z: float) -> tuple[np.ndarray, np.ndarray]:
        """ln of h p at the proposals and of h q at the draws, h times q being 1 / (s_1 p / q + s_2 Z)."""
        above = at_proposed - np.logaddexp(log_s1 + at_proposed, log_s2 + log_z)
        below = -np.logaddexp(log_s1 + at_draws, log_s2 + log_z)
        return above, below

    log_z = float(np.median(log_ratio))
    for _ in range(_ITERATIONS):
        above, below = terms(log_z)
        new = float(logsumexp(above) - np.log(above.size) - logsumexp(below) + np.log(below.size))
        done = abs(new - log_z) < _TOLERANCE * max(1.0, abs(new))
        log_z = new
        if done or not np.isfinite(log_z):
            break
    above, below = terms(log_z)
    at_q, at_p = np.exp(above - above.max()), np.exp(below - below.max())
    n_p = min(float(array_stats.ess(at_p, method="mean")), float(at_p.size))
    relative = at_q.var() / at_q.mean() ** 2 / at_q.size + at_p.var() / at_p.mean() ** 2 / n_p
    overlap = 2 * float(np.mean(np.exp(log_z - np.logaddexp(log_z, log_ratio))))
    return log_z, float(np.sqrt(relative)), min(overlap, 1.0)


def _proposal(draws: np.ndarray) -> gaussian_kde:
    """Kernel density of draws, its centres drawn together so that it is no wider than they are (Liu & West 2001)."""
    flat = draws.reshape(-1, draws.shape[-1]).astype(np.float64)
    chosen = flat[np.linspace(0, len(flat) - 1, min(_CENTRES, len(flat))).astype(int)]
    n, dim = chosen.shape
    width = (n * (dim + 2) / 4) ** (-1 / (dim + 4))  # Silverman's rule, in units of the draws' covariance
    shrink = np.sqrt(1 - width**2)
    mean = chosen.mean(axis=0)
    try:
        return gaussian_kde((mean + shrink * (chosen - mean)).T, bw_method=width / shrink)
    except np.linalg.LinAlgError as error:
        raise ValueError("the draws lie in a plane: they have not moved in every direction") from error


def _evaluate(
    log_density: LogDensity,
    points: np.ndarray,
    args: tuple[Any, ...],
    batch_size: int,
    progress: ProgressCallback | None,
) -> np.ndarray:
    """Log-density at points (n, dim), -inf where not finite."""
    program = value_program(log_density)
    values, done = [], 0
    for n, batch in batches(points, batch_size):
        values.append(np.asarray(program(batch, args), np.float64)[:n])
        done += n
        if progress is not None:
            progress(Progress("evidence", done, len(points)))
    return np.concatenate(values)
