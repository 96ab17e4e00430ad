"""Ensembles keep the member that does best on unseen laws, by any trainer, and train no member twice."""

import dataclasses

import jax
import numpy as np
import pytest
from nuker_surrogate.training import ensemble
from nuker_surrogate.training.config import TrainingConfig
from nuker_surrogate.training.train import train
from steelyard_schemas import ContractError

SMALL = TrainingConfig(linear_examples=200, examples=400, hidden=(8,), label_steps=50, loss_steps=50)


def ignore(*_):
    """Take progress that nobody looks at."""


def test_members_are_all_combinations_and_a_linear_one_has_no_width():
    found = ensemble.members(SMALL, ["linear", "corrected"], [(8,), (4, 4)], [0, 1])
    assert [ensemble.member_name(config) for config in found] == [
        "linear-seed0",
        "linear-seed1",
        "corrected-8-seed0",
        "corrected-8-seed1",
        "corrected-4-4-seed0",
        "corrected-4-4-seed1",
    ]
    with pytest.raises(ValueError, match="head is 'cubic', expected linear, "):
        ensemble.members(SMALL, ["cubic"], [(8,)], [0])


def test_a_job_says_everything_that_training_needs():
    for config in ensemble.members(SMALL, ["linear", "normalised"], [(8, 6)], [3]):
        job = ensemble.training_job("a", config, 5)
        assert ensemble.job_config(job).as_dict() == config.as_dict()
    strange = job.model_copy(update={"training": {"head": "linear", "depth": 3}})
    with pytest.raises(ContractError, match=r"training job a: .*depth"):
        ensemble.job_config(strange)


@pytest.mark.slow
def test_the_best_member_is_kept_with_the_weights_of_a_training_alone(tmp_path, monkeypatch):
    configs = ensemble.members(SMALL, ["linear", "direct"], [(8,)], [0])
    told = []
    best, records = ensemble.train_ensemble(tmp_path, configs, 5, lambda *news: told.append(news))
    # A network of eight cannot learn coefficients over fifteen decades; the linear map needs no learning.
    assert best.config == configs[0]
    assert [record.name for record in records] == ["linear-seed0", "direct-8-seed0"]
    assert records[0].circular_velocity[2] < 0.1 < records[1].circular_velocity[2]
    assert records[0].n_parameters == best.weights.deconvolution.size
    for a, b in zip(jax.tree.leaves(best.weights), jax.tree.leaves(train(configs[0]).weights), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {stage for stage, *_ in told} >= {"deprojecting", "linear-seed0: linear", "members"}

    monkeypatch.setattr(ensemble, "measure", lambda *_: pytest.fail("measured again"))
    assert ensemble.train_ensemble(tmp_path, configs, 5, ignore)[1] == records
    with pytest.raises(pytest.fail.Exception):  # compared on other laws
        ensemble.train_ensemble(tmp_path, configs, 6, ignore)


def test_a_member_that_diverges_is_told_and_does_not_stop_the_others(tmp_path):
    wild = dataclasses.replace(SMALL, head="normalised", learning_rate=1e30)
    best, records = ensemble.train_ensemble(tmp_path, (wild, SMALL), 5, ignore)
    assert best.config == SMALL
    assert records[-1].name == "normalised-8-seed0"
    assert "training diverged in stage" in records[-1].reason
    with pytest.raises(ContractError, match="normalised-8-seed0: training diverged"):
        ensemble.train_ensemble(tmp_path, (wild,), 5, ignore)


def test_side_by_side_needs_a_package_that_can(monkeypatch):
    monkeypatch.setattr(ensemble, "entry_points", lambda group: [])
    with pytest.raises(ValueError, match=r"install steelyard\[survey\]"):
        ensemble.parallel_trainer(2)
