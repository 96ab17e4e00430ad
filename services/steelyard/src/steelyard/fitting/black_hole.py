"""Black-hole verdict of a posterior: a mass, an upper limit or no constraint."""

from __future__ import annotations

import numpy as np
from steelyard_schemas.posterior import BlackHole
from steelyard_schemas.priors import Prior

from steelyard.galaxy.parameters import prior_range

__all__ = ["black_hole_verdict"]

LOWEST_SHARE = 0.1
"""Fraction of the prior range, at its low end, that represents 'no black hole'."""
STRONG_EVIDENCE = 1 / 20
"""Ratio of posterior to prior density there below which the data require a black hole."""


def black_hole_verdict(draws: np.ndarray | None, prior: Prior | None, fixed: float | None = None) -> BlackHole:
    """Compare the draws of log10 M_BH with their prior and derive the verdict.

    The ratio of posterior to prior mass in the lowest tenth of the prior range is a Savage-Dickey estimate of the
    evidence for 'no dynamically relevant black hole' (Dickey 1971). Unless it is small, no mass is quoted.

    Args:
        draws: log10 of the mass [Msun], any shape; None if the mass was fixed.
        prior: prior of the draws.
        fixed: fixed value of log10 M_BH.

    """
    if draws is None or prior is None:
        value = float(fixed if fixed is not None else np.nan)
        return BlackHole(
            verdict="fixed",
            log10_mbh=value,
            log10_mbh_q16=value,
            log10_mbh_q84=value,
            log10_mbh_upper95=value,
            reason="the mass was fixed in the galaxy file",
        )
    values = np.ravel(draws)
    q16, median, q84, upper = (float(q) for q in np.quantile(values, [0.16, 0.5, 0.84, 0.95]))
    low, high = prior_range(prior)
    if not np.isfinite(low + high):
        # An unbounded Gaussian prior: five standard deviations on either side contain essentially all of it.
        low, high = _gaussian_range(prior)
    share = float(np.mean(values < low + LOWEST_SHARE * (high - low)))
    ratio = share / LOWEST_SHARE
    prior_sd = (high - low) / np.sqrt(12)
    verdict: str
    if ratio < STRONG_EVIDENCE and values.std() < 0.5 * prior_sd:
        verdict, reason = (
            "measured",
            f"models without a black hole are disfavoured by more than {1 / STRONG_EVIDENCE:.0f} to 1",
        )
    elif upper < high - 0.05 * (high - low):
        verdict = "upper_limit"
        reason = (
            f"the posterior reaches the low end of the prior ({ratio:.2f} of the prior's density there): the data "
            f"do not require a black hole; below 10^{upper:.1f} Msun the result follows the prior"
        )
    else:
        verdict = "unconstrained"
        reason = "the posterior fills the prior: the data do not constrain the black hole"
    return BlackHole(
        verdict=verdict,
        log10_mbh=median,
        log10_mbh_q16=q16,
        log10_mbh_q84=q84,
        log10_mbh_upper95=upper,
        reason=reason,
    )


def _gaussian_range(prior: Prior) -> tuple[float, float]:
    mean, sd = prior.mean, prior.sd  # type: ignore[union-attr]
    low = mean - 5 * sd if prior.low is None else prior.low  # type: ignore[union-attr]
    high = mean + 5 * sd if prior.high is None else prior.high  # type: ignore[union-attr]
    return low, high
