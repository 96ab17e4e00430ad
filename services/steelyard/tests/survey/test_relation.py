"""The relation of a sample against its closed form: Gaussian posteriors leave Gaussian terms."""

import numpy as np
import pytest
from scipy.stats import norm
from steelyard.survey.folder import SurveyFolder, plan_jobs
from steelyard.survey.jobs import run_job
from steelyard.survey.relation import FEW, MassDraws, fit_relation, read_masses
from steelyard.survey.sample import sample_rows
from steelyard.survey.surrogates import SurrogateShelf
from steelyard_schemas import ContractError, SurveyJob, unpack

from ..support.survey_works import break_down

INTERCEPT, SLOPE, SCATTER, SD = 8.3, 4.5, 0.35, 0.2
N = 40


@pytest.fixture(scope="module")
def measured():
    """Covariates and maximum-likelihood masses with errors SD."""
    rng = np.random.default_rng(7)
    x = rng.uniform(2.0, 2.5, N)
    mass = INTERCEPT + SLOPE * (x - x.mean()) + rng.normal(0, SCATTER, N)
    return x, mass + rng.normal(0, SD, N)


def exact(x, mass):
    """Mean and sd of intercept, slope and scatter from a grid over the closed form, under the same priors."""
    a = np.linspace(7.9, 8.7, 61)[:, None, None]
    b = np.linspace(1.5, 7.5, 81)[None, :, None]
    s = np.linspace(0.01, 0.9, 61)[None, None, :]
    log_p = -np.log1p(b**2) + 0 * a + 0 * s  # uniform in the angle of the slope
    for xi, mi in zip(x - x.mean(), mass, strict=True):
        log_p = log_p + norm.logpdf(mi, a + b * xi, np.hypot(s, SD))
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    means = [float((p * q).sum()) for q in (a, b, s)]
    return means, [float(np.sqrt((p * (q - m) ** 2).sum())) for q, m in zip((a, b, s), means, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("prior_sd", [None, 0.5], ids=["flat", "normal"])
def test_it_is_the_closed_form_whatever_prior_the_fits_had(measured, prior_sd):
    x, mass = measured
    rng = np.random.default_rng(3)
    galaxies = []
    for i in range(N):
        middle, sd, log_prior = mass[i], SD, np.zeros(1000)
        if prior_sd is not None:  # the posterior under N(8.3, 0.5): a product of two normals
            weight = prior_sd**2 / (prior_sd**2 + SD**2)
            middle, sd = 8.3 + weight * (mass[i] - 8.3), SD * np.sqrt(weight)
        draws = rng.normal(middle, sd, 1000)
        if prior_sd is not None:
            log_prior = norm.logpdf(draws, 8.3, prior_sd)
        galaxies.append(MassDraws(f"G {i}", draws, log_prior, float(x[i])))
    found = fit_relation(galaxies, "x")
    assert found.converged
    means, sds = exact(x, mass)
    for part, mean, sd in zip((found.intercept, found.slope, found.scatter), means, sds, strict=True):
        low, middle, high = part
        # ESS 400 and 1000 draws per galaxy leave 0.05 to 0.1 sd of noise each; medians differ from means by skew.
        assert abs(middle - mean) < 0.3 * sd
        assert (high - low) / 2 == pytest.approx(sd, rel=0.2)
    assert found.pivot == pytest.approx(x.mean())


@pytest.mark.slow
def test_an_error_of_the_covariate_widens_the_terms(measured):
    x, mass = measured
    rng = np.random.default_rng(3)
    galaxies = [MassDraws("G", rng.normal(m, SD, 300), np.zeros(300), float(v)) for v, m in zip(x, mass, strict=True)]
    plain = fit_relation(galaxies, "x")
    # 4.5 * 0.07 = 0.3 dex: most of the scatter is then the covariate's.
    blurred = fit_relation([galaxy._replace(covariate_sd=0.07) for galaxy in galaxies], "x")
    assert blurred.scatter[1] < 0.75 * plain.scatter[1]


@pytest.mark.slow
def test_galaxies_with_few_draws_near_the_relation_are_named(measured):
    x, mass = measured
    rng = np.random.default_rng(3)
    galaxies = [MassDraws(f"G {i}", rng.normal(mass[i], SD, 300), np.zeros(300), float(x[i])) for i in range(N)]
    wide = MassDraws("wide", np.linspace(0, 400, 300), np.zeros(300), float(x.mean()))
    assert fit_relation([*galaxies, wide], "x").thin_galaxies == ("wide",)
    assert FEW > 1


def test_masses_come_from_converged_galaxies_with_the_column(tmp_path):
    rows = [
        f"[[galaxy]]\nname = '{n}'\n{extra}\n"
        for n, extra in (
            *((f"good {i}", f"x = {i}.5\nx_sd = 0.25") for i in range(4)),
            ("no column", ""),
            ("bug", "x = 1.0"),
        )
    ]
    path = tmp_path / "sample.toml"
    path.write_text(
        "[defaults]\ndistance.mpc = 10.0\ndata.path = 'n.zarr'\n"
        "line = { name = 'CO', rest_frequency_hz = 230.538e9 }\n" + "".join(rows)
    )
    survey = SurveyFolder(tmp_path / "out")
    survey.write_plan(plan_jobs(sample_rows(path), tmp_path, SurrogateShelf(survey.surrogates)), path)
    for job in survey.jobs():
        run_job(break_down, unpack(job.message, SurveyJob), survey, tmp_path)
    found = read_masses(survey, "x")
    assert [galaxy.name for galaxy in found] == [f"good {i}" for i in range(4)]
    assert (found[2].covariate, found[2].covariate_sd) == (2.5, 0.25)
    # The prior of the fits was uniform from 4 to 10.5.
    np.testing.assert_allclose(found[0].log_prior, -np.log(6.5), rtol=1e-6)
    with pytest.raises(ContractError, match="0 converged galaxies have a number in the column 'y'"):
        read_masses(survey, "y")
