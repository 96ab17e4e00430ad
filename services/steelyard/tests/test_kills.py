"""A fit and a training, killed while they write and started again, end as undisturbed; nothing is left over.

`validation.kills` does the same at random moments, and to surveys.
"""

import os

import pytest

from validation.kills.killing import Kill, Subject, differences, run_to_the_end
from validation.kills.states import artifact_state, fit_state, names

TRAINING = ("--head", "corrected", "--linear-examples", "200", "--hidden", "8", "--examples", "400")
TRAINING += ("--label-steps", "50", "--loss-steps", "50", "--points", "4")


@pytest.fixture
def environment():
    """Return the variables of a command that computes as this process does, and shares its compiled programs."""
    shared = {"JAX_COMPILATION_CACHE_DIR": os.environ["JAX_COMPILATION_CACHE_DIR"]}
    return shared | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_NUM_CPU_DEVICES": "1"}


@pytest.mark.slow
def test_a_killed_fit_ends_as_undisturbed(toy_file, finished, environment, tmp_path):
    often = toy_file.with_name("often.toml")  # checkpoints after every block: most kills meet a half-written one
    often.write_text(toy_file.read_text().replace("checkpoint_s = 3600", "checkpoint_s = 0.01"))
    subject = Subject("fit", ("fit", str(often), "--out", "{out}"), fit_state)
    kills = (
        Kill("KILL", 0.0, at_write=True),
        Kill("KILL", 0.0, at_write=True, once="out/checkpoint.npz"),
        Kill("TERM", 0.0, once="out/posterior.zarr"),
    )
    ended = run_to_the_end(subject, tmp_path / "killed", kills, 0.0, environment)
    calm = names(finished.folder.parent) | fit_state(finished.folder)
    assert (ended.code, ended.problems, differences(calm, ended.state)) == (0, (), [])
    made = [landed.kill for landed in ended.landed]
    assert made[:2] == list(kills[:2])  # the last comes too late where the fit has ended at once
    assert all(landed.half_written for landed in ended.landed[:2])


@pytest.mark.slow
def test_a_killed_training_ends_as_undisturbed(environment, tmp_path):
    subject = Subject("training", ("surrogate", "train", "{out}", *TRAINING), artifact_state)
    kills = (
        Kill("KILL", 0.0, once="out.training/*/training.npz"),
        Kill("KILL", 0.0, at_write=True, once=".out.*.new"),
    )
    calm = run_to_the_end(subject, tmp_path / "calm", (), 0.0, environment)
    ended = run_to_the_end(subject, tmp_path / "killed", kills, 0.0, environment)
    assert (calm.code, calm.problems) == (0, ())
    assert (ended.code, ended.problems, differences(calm.state, ended.state)) == (0, (), [])
    assert [landed.kill for landed in ended.landed] == list(kills)
