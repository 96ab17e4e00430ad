"""Ctrl-C anywhere, and what the same call does next."""

import shutil

import numpy as np
import pytest
import steelyard.fitting.run
from steelyard import fit
from steelyard_schemas import ContractError, Posterior, read_store


def stop_at(phase, step):
    """Return a progress callback that presses Ctrl-C."""

    def callback(progress):
        if (progress.phase, progress.step) >= (phase, step) and progress.phase == phase:
            raise KeyboardInterrupt

    return callback


def assert_same_draws(a, b):
    assert set(a.arrays) == set(b.arrays)
    for name in a.arrays:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.slow
def test_interrupted_in_every_phase_a_fit_ends_as_if_undisturbed(toy_file, finished, tmp_path):
    out = tmp_path / "out"
    whole = read_store(finished.folder / "posterior.zarr", Posterior)
    for phase, step in (("optimise", 40), ("pilot", 100), ("archive", 1), ("warmup", 20)):
        with pytest.raises(KeyboardInterrupt):
            fit(toy_file, out, progress=stop_at(phase, step))
        assert not (out / "posterior.zarr").exists()

    told = []
    with pytest.raises(KeyboardInterrupt):
        fit(toy_file, out, progress=stop_at("sampling", 50), note=told.append)
    assert any("interrupted" in line for line in told)
    part = read_store(out / "posterior.zarr", Posterior)
    assert not part.manifest.complete
    assert not part.manifest.converged
    np.testing.assert_array_equal(part["posterior/log10_mbh"], whole["posterior/log10_mbh"][:, :50])

    assert_same_draws(fit(toy_file, out), whole)
    end = read_store(out / "posterior.zarr", Posterior).manifest
    assert (end.complete, end.converged) == (True, True)
    assert end.quality.n_gradients == whole.manifest.quality.n_gradients


@pytest.mark.slow
def test_a_larger_budget_goes_on_from_there(toy, toy_folder, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(toy_folder)  # a Galaxy has no file: its data path starts here
    out = tmp_path / "out"
    small = toy.model_copy(update={"sampler": toy.sampler.model_copy(update={"max_steps": 100})})
    short = fit(small, out)
    assert short.manifest.complete
    assert not short.manifest.converged
    assert any("raise sampler.max_steps" in line for line in short.manifest.quality.warnings)
    told = []
    assert_same_draws(fit(toy, out, note=told.append), read_store(finished.folder / "posterior.zarr", Posterior))
    assert any("resuming" in line for line in told)


def test_a_folder_belongs_to_its_inputs(finished, workplace, edit, tmp_path):
    edit(workplace / "toy.toml", "low = 6.0", "low = 6.5")
    before = (finished.folder / "run.json").read_text()
    with pytest.raises(ContractError, match=r"fit of other inputs.*--out.*--restart"):
        fit(workplace / "toy.toml", finished.folder)
    assert (finished.folder / "run.json").read_text() == before


def test_restart_throws_the_earlier_fit_away_and_nothing_else(workplace, finished, edit, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished.folder, out)
    (out / "notes.txt").write_text("mine")
    edit(workplace / "toy.toml", "n_chains = 4", "n_chains = 4\nseed = 9")
    with pytest.raises(KeyboardInterrupt):
        fit(workplace / "toy.toml", out, restart=True, progress=stop_at("optimise", 1))
    assert {path.name for path in out.iterdir()} == {"notes.txt", "gridded.zarr", "run.json"}


def test_restart_with_bad_input_keeps_the_earlier_fit(workplace, finished, edit, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished.folder, out)
    edit(workplace / "toy.toml", "value = 1.5", "value = 99.0")
    with pytest.raises(ContractError, match="alpha"):
        fit(workplace / "toy.toml", out, restart=True)
    assert (out / "posterior.zarr").exists()


def test_ctrl_c_before_the_chains_have_a_start(toy_file, tmp_path, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(steelyard.fitting.run, "_start", lambda problem, *_: (problem, np.zeros(5), None))
    monkeypatch.setattr(steelyard.fitting.run, "sample", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(toy_file, tmp_path / "out")
