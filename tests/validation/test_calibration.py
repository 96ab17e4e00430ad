"""The calibration's own tools: what it draws data from, its bands, its records, its page."""

import json
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import stats
from steelyard.inference.density import residual_squared
from steelyard.inference.likelihood import LIKELIHOODS

from validation.calibration import fits, run
from validation.calibration.fits import N_RANKED, Effort, record
from validation.calibration.page import coverage, uniform_values, within_band, write_page
from validation.calibration.problem import Calibration, together
from validation.page import END, START, ResultPage


@pytest.fixture(scope="module")
def problem():
    return Calibration.make()


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["likelihood", "estimated"])
def test_residuals_over_the_errors_told_follow_students_t(problem, noise):
    """In both kinds of noise, whatever the degrees of freedom: by the t distribution's own CDF they are uniform."""
    rng = np.random.default_rng(1)
    scores = 0.3 * rng.standard_normal(len(problem.names))
    cells = problem.observe(scores, noise, rng)
    listed = problem.problem.model.uv_cells.listed
    sigma, dof = listed(problem.sigma_jy), listed(problem.dof, padding=1)
    used = sigma > 0
    assert used.sum() > 1000
    t = np.asarray(cells.mean - problem._means(scores)).real * np.sqrt(np.asarray(cells.inverse_variance))
    assert stats.kstest(stats.t.cdf(t[used], dof[used]), "uniform").pvalue > 1e-3
    told = np.asarray(cells.inverse_variance)[used] * sigma[used] ** 2
    if noise == "likelihood":
        np.testing.assert_allclose(told, 1.0, rtol=1e-6)
    else:
        assert stats.kstest(stats.chi2.cdf(dof[used] / told, dof[used]), "uniform").pvalue > 1e-3
    assert np.all(np.asarray(cells.inverse_variance)[~used] == 0)


@pytest.mark.slow
def test_the_estimates_are_those_of_these_data(problem):
    """Turned by 120 degrees and moved: starts follow. Rough values, to a channel and half a beam."""
    truth = {**problem.problem.galaxy.truth, "pa_deg": 250.0, "x0_arcsec": -0.4, "vsys_kms": 1530.0}
    rng = np.random.default_rng(8)
    estimates = problem.estimates(
        problem.observe(problem.scores([truth[name] for name in problem.names]), "likelihood", rng)
    )
    assert estimates.pa_deg == pytest.approx(250.0, abs=15)
    assert estimates.x0_arcsec == pytest.approx(-0.4, abs=0.3)
    assert estimates.vsys_kms == pytest.approx(1530.0, abs=25)


def test_two_data_sets_together_have_the_sum_of_their_likelihoods(problem):
    rng = np.random.default_rng(2)
    scores = 0.3 * rng.standard_normal(len(problem.names))
    one, other = (problem.observe(scores, "likelihood", rng) for _ in range(2))
    model = problem._means(scores)
    both, first, second = (
        float(LIKELIHOODS["student_t"](residual_squared(model, cells), cells.dof))
        for cells in (together(one, other), one, other)
    )
    assert first != second
    assert both == pytest.approx(first + second, rel=1e-6)


def test_the_band_holds_95_per_cent_of_uniform_samples_and_not_others():
    rng = np.random.default_rng(3)
    inside = np.mean([within_band(rng.uniform(size=100)) for _ in range(1000)])
    # Simultaneous: a thousand sets stray by 0.7 %, steps of the ECDF make a band a little wide or narrow.
    assert inside == pytest.approx(0.95, abs=0.03)
    # Posteriors too narrow by a third, or shifted by half a sigma.
    assert not within_band(stats.norm.cdf(rng.standard_normal(200) * 1.5))
    assert not within_band(stats.norm.cdf(rng.standard_normal(200) + 0.5))


def empty_page(docs):
    docs.mkdir()
    (docs / "calibration.md").write_text(f"# Calibration\n\n{START}\n{END}\n")
    return ResultPage(docs / "calibration.md", "validation.calibration")


class Known:
    """A conjugate problem in the calibration's place: x ~ N(0, 1), y ~ N(x, s), each parameter for itself."""

    names = ("log10_mbh", "alpha")
    scatter = 0.5
    problem = SimpleNamespace(parameters=None)

    def with_likelihood(self, kind):
        assert kind == "student_t"

    def fit(self, too_narrow):
        def fit_cells(_parameters, _coordinates, y, _look, _effort, seed):
            rng = np.random.default_rng(seed)
            variance = 1 / (1 + 1 / self.scatter**2)
            sd = np.sqrt(variance) / too_narrow
            draws = variance / self.scatter**2 * y + sd * rng.standard_normal((4, 400, 2))
            return draws, Result, {"sampling": 1.0}

        return fit_cells


class Result:
    suspect_chains = ()
    n_gradients = n_jumps = 1
    jump_acceptance = np.ones(4)


@pytest.mark.slow
@pytest.mark.parametrize(("too_narrow", "share"), [(1.0, 0.68), (2.0, 0.38)])
def test_ranks_and_coverage_of_known_posteriors(tmp_path, monkeypatch, too_narrow, share):
    """Exact posteriors are calibrated. Half as wide ones hold 38 % in their 68 % intervals: 2 Phi(0.994 / 2) - 1."""
    known = Known()
    monkeypatch.setattr(fits, "fit_cells", known.fit(too_narrow))
    rng = np.random.default_rng(5)  # one set in twenty leaves its band by chance; this does not
    (tmp_path / "prior-student_t").mkdir()
    records = []
    for i in range(200):
        truth = rng.standard_normal(2)
        y = truth + known.scatter * rng.standard_normal(2)
        found = record(known, "student_t", y, None, truth, Effort(), seed=i)
        fits.keep(tmp_path / "prior-student_t" / f"{i:04d}.json", found)
        records.append(found)
    assert all(0 <= r["parameters"]["alpha"]["rank"] <= N_RANKED for r in records)
    for name in known.names:
        assert within_band(uniform_values(records, name)) == (too_narrow == 1.0)
        found, error = coverage(records, name, 0.68)
        # Binomial: 3.3 % of 200 data sets.
        assert found == pytest.approx(share, abs=3 * error)
    write_page(tmp_path, dict.fromkeys(known.names, 1.0), empty_page(tmp_path / "docs"))
    page = (tmp_path / "docs" / "calibration.md").read_text()
    assert "200 data sets, 0 of them not converged" in page
    assert ("stay within their bands" in page) == (too_narrow == 1.0)
    assert (tmp_path / "docs" / "img" / "calibration" / "prior.png").stat().st_size > 10_000
    assert "What approximate likelihoods cost" not in page
    assert page.startswith("# Calibration\n")


@pytest.mark.slow
def test_the_command_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys, problem):
    fits = []

    def record(_calibration, kind, _cells, _look, truth, _effort, seed):
        fits.append((kind, seed, truth[0]))
        if len(fits) == 3:
            raise KeyboardInterrupt
        return {"seconds": {"all": 1.0 / 3}, "converged": True}

    monkeypatch.setattr(run, "record", record)
    monkeypatch.setattr(Calibration, "make", lambda: problem)
    monkeypatch.setattr(run, "PAGE", empty_page(tmp_path / "docs"))
    monkeypatch.setattr(run, "ARCHIVE", tmp_path / "calibration.jsonl")
    before = jax.config.jax_compilation_cache_dir, jax.config.jax_enable_x64
    settings = ["--n", "2", "--parts", "prior", "study", "--write"]
    monkeypatch.setattr(sys, "argv", ["calibration.py", "--folder", str(tmp_path / "one"), *settings])
    try:
        with pytest.raises(KeyboardInterrupt):
            run.main()
        run.main()
        kinds = [kind for kind, _, _ in fits]
        assert kinds[:4] == ["student_t", "student_t", "gaussian", "gaussian"]
        assert len(fits) == 9  # eight, and the one that was interrupted
        # The likelihoods of the study see one truth, another one than the prior's part.
        truths = [truth for _, seed, truth in fits if seed == 1]
        assert len(set(truths)) == 2
        assert len(list(tmp_path.rglob("0*.json"))) == 8
        run.main()
        assert len(fits) == 9
        # Another machine has the repository alone.
        monkeypatch.setattr(sys, "argv", ["calibration.py", "--folder", str(tmp_path / "two"), *settings])
        run.main()
        assert len(fits) == 9
        assert len(list((tmp_path / "two").rglob("0*.json"))) == 8
        (tmp_path / "two" / "settings.json").write_text(json.dumps({"problem": "another"}))
        with pytest.raises(SystemExit, match="another calibration"):
            run.main()
    finally:
        jax.config.update("jax_compilation_cache_dir", before[0])
        jax.config.update("jax_enable_x64", before[1])
