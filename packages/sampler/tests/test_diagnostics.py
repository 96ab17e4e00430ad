"""Convergence diagnostics against ArviZ, and on chains that have not converged."""

import arviz_stats
import numpy as np
import pytest
from sampler import summarize
from sampler.diagnostics import suspect_chains


def test_diagnostics_agree_with_arviz_datasets():
    """The same numbers through ArviZ's labelled interface, whose axes and defaults are set independently."""
    xarray = pytest.importorskip("xarray", reason="ArviZ's labelled interface needs xarray")
    rng = np.random.default_rng(2)
    draws = np.cumsum(rng.normal(size=(4, 500, 2)), axis=1) * 0.05 + rng.normal(size=(4, 500, 2))
    got = summarize(draws, ["p", "q"])
    dataset = xarray.Dataset({n: (("chain", "draw"), draws[..., i]) for i, n in enumerate("pq")})
    for name, expected in {
        "rhat": arviz_stats.rhat(dataset),
        "ess_bulk": arviz_stats.ess(dataset, method="bulk"),
        "ess_tail": arviz_stats.ess(dataset, method="tail", prob=(0.05, 0.95)),
    }.items():
        np.testing.assert_allclose(getattr(got, name), [expected["p"], expected["q"]], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(got.mean, draws.mean(axis=(0, 1)))
    assert not got.converged


def test_a_stuck_chain_never_looks_converged():
    draws = np.random.default_rng(0).normal(size=(4, 1000, 1))
    assert summarize(draws).converged
    draws[2] = 0.3
    assert not summarize(draws).converged
    assert not summarize(np.ones((4, 1000, 1))).converged


def test_chains_in_a_minor_mode_are_named():
    log_density = -0.5 * np.random.default_rng(0).chisquare(10, size=(4, 500))
    assert suspect_chains(log_density) == ()
    log_density[1] -= 60
    assert suspect_chains(log_density) == (1,)


def test_draws_of_one_chain_are_refused():
    with pytest.raises(ValueError, match="draws has shape"):
        summarize(np.zeros((1, 10, 2)))
