"""With a black hole or without: evidences against Laplace's approximation, and what the command tells."""

import json
import shutil

import numpy as np
import pytest
from sampler import load_checkpoint
from steelyard import compare_models
from steelyard.commands.main import app
from steelyard.comparison.evidence import ModelComparison, ModelEvidence
from steelyard_schemas import ContractError
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """Folder of a comparison whose fit with a black hole is there already."""
    out = tmp_path_factory.mktemp("models") / "out"
    shutil.copytree(finished.folder, out / "with_black_hole")
    return out


@pytest.fixture(scope="module")
def compared(toy_file, folder):
    told = []
    comparison = compare_models(toy_file, folder, note=told.append)
    assert any("already finished" in line for line in told)
    return comparison


@pytest.mark.slow
def test_evidences_are_those_of_laplace(compared, folder):
    """ln Z = max ln p + d / 2 ln 2 pi + ln det C / 2, C of the draws, where a posterior is nearly Gaussian."""
    assert compared.is_reliable
    for one in (compared.with_black_hole, compared.without_black_hole):
        state = load_checkpoint(folder / one.folder / "checkpoint.npz").state
        draws = state.draws.reshape(-1, state.draws.shape[-1])
        dim = draws.shape[1]
        # The best of a thousand draws of d parameters lies below the peak; their mean lies d / 2 below.
        peak = state.draw_log_density.mean() + 0.5 * dim
        expected = peak + 0.5 * dim * np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(np.cov(draws.T))[1]
        # The mean of ln p strays by a tenth; skewness is worth as much.
        assert one.log_evidence == pytest.approx(expected, abs=0.4)
        assert one.error < 0.1
        assert one.overlap > 0.5


@pytest.mark.slow
def test_a_black_hole_that_rules_the_rotation_is_wanted(compared, folder):
    assert compared.log_bayes_factor > 100
    assert compared.verdict == "very strong evidence for a black hole"
    # At the peaks prior volumes are worth some ten; the rest is the likelihood.
    assert compared.log_bayes_factor == pytest.approx(
        compared.with_black_hole.log_likelihood - compared.without_black_hole.log_likelihood, abs=15
    )
    assert compared.delta_chi2 > 100
    without = load_checkpoint(folder / "without_black_hole" / "checkpoint.npz").state
    assert without.draws.shape[-1] == 4


@pytest.mark.slow
def test_the_command_tells_what_is_known(compared, folder, toy_file):
    done = CliRunner().invoke(app, ["compare", "--models", str(toy_file), "--out", str(folder), "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["log_bayes_factor"] == compared.log_bayes_factor
    assert told["is_reliable"] is True
    plain = CliRunner().invoke(app, ["compare", "--models", str(toy_file), "--out", str(folder)])
    assert "ln Bayes factor of a black hole: +" in plain.stdout
    assert "its evidence is known already" in plain.stderr
    assert "NOT" not in plain.stdout


def test_a_fixed_mass_is_refused(toy_file, folder, tmp_path):
    text = toy_file.read_text().replace(
        '{ kind = "uniform", low = 6.0, high = 10.0 }', '{ kind = "fixed", value = 8 }'
    )
    (tmp_path / "fixed.toml").write_text(text)
    done = CliRunner().invoke(app, ["compare", "--models", str(tmp_path / "fixed.toml")])
    assert done.exit_code == 1
    assert "priors.log10_mbh is fixed: set a prior" in done.stderr
    with pytest.raises(ContractError, match="is fixed"):
        compare_models(tmp_path / "fixed.toml")


def evidence(log_evidence=0.0, **changed):
    settings = {
        **{"folder": "f", "posterior_hash": "h", "converged": True, "error": 0.1, "overlap": 0.8},
        **{"n_proposals": 1000, "chi2": 100.0, "log_likelihood": -50.0},
    }
    return ModelEvidence(log_evidence=log_evidence, **(settings | changed))


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [
        (0.5, 0.1, "do not discriminate"),
        (2.0, 0.1, "positive evidence for"),
        (2.0, 1.0, "do not discriminate"),
        (-4.0, 0.1, "strong evidence against"),
        (9.0, 0.1, "very strong evidence for"),
    ],
)
def test_verdicts(difference, error, verdict):
    found = ModelComparison(evidence(difference, error=error), evidence(0.0, error=error))
    assert verdict in found.verdict
    assert found.error == pytest.approx(np.sqrt(2) * error)


@pytest.mark.parametrize("flaw", [{"converged": False}, {"overlap": 0.001}, {"error": 2.0}])
def test_what_cannot_be_trusted_says_so(flaw):
    assert ModelComparison(evidence(), evidence()).is_reliable
    assert not ModelComparison(evidence(**flaw), evidence()).is_reliable
    assert not ModelComparison(evidence(), evidence(**flaw)).is_reliable
