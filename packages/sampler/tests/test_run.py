"""The run as a whole: compiled programs, checkpoints, progress, diagnostics."""

import os
import subprocess
import sys

import arviz_stats
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import MalaConfig, Monitor, ParameterSpace, Uniform, find_mode, load_checkpoint, sample, summarize
from sampler.chains.checkpoint import Checkpoint, SamplerState, _here, save_checkpoint
from sampler.diagnostics import suspect_chains

CONFIG = MalaConfig(n_warmup=100, max_steps=300, target_ess=1e6, seed=11, checkpoint_seconds=0.0)


def ridge(z):
    return -0.5 * jnp.sum(z**2) - 4.0 * (z[0] - 0.8 * z[1]) ** 2


def test_the_density_is_traced_once_per_program():
    traces = []

    def counted(z, scale):
        traces.append(z.shape)
        return ridge(z) * scale

    scale = jnp.asarray(1.0)
    mode = find_mode(counted, np.random.default_rng(0).normal(size=(6, 3)), args=(scale,), n_steps=40)
    assert len(traces) == 1
    sample(counted, mode, CONFIG, args=(scale,))
    assert len(traces) == 2  # one for single evaluations, one for the chain: warm-up and sampling share it
    sample(counted, mode, CONFIG, args=(2.0 * scale,))
    assert len(traces) == 2  # new data of the same shape


@pytest.fixture(scope="module")
def uninterrupted():
    with jax.enable_x64(True):
        return sample(ridge, jnp.zeros(3), CONFIG)


@pytest.mark.parametrize("stop_at", [1, 3, 5, 8, 15])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, uninterrupted, stop_at):
    path, seen = tmp_path / "run.npz", []

    def interrupt(progress):
        seen.append(progress)
        if len(seen) == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(ridge, jnp.zeros(3), CONFIG, progress=interrupt, checkpoint=path)
    stopped = load_checkpoint(path).state
    assert int(stopped.step) == stop_at * CONFIG.block
    # What was finished is readable, and is what the full run has there.
    np.testing.assert_array_equal(np.swapaxes(stopped.draws, 0, 1), uninterrupted.draws[:, : len(stopped.draws)])
    resumed = sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path)
    for name in ("draws", "log_density", "acceptance", "factor", "step_size", "n_gradients"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(uninterrupted, name), err_msg=name)
    again = sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path)
    np.testing.assert_array_equal(again.draws, uninterrupted.draws)
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_resumed_run_may_get_a_larger_budget(tmp_path):
    path = tmp_path / "run.npz"
    sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path)
    longer = MalaConfig(**(vars(CONFIG) | {"max_steps": 500}))
    resumed = sample(ridge, jnp.zeros(3), longer, checkpoint=path)
    np.testing.assert_array_equal(resumed.draws, sample(ridge, jnp.zeros(3), longer).draws)


def test_chains_of_a_density_that_has_changed_are_not_gone_on_with(tmp_path):
    """As after an update: nothing that the fingerprint knows of has changed, but the code has."""
    path, longer = tmp_path / "run.npz", MalaConfig(**(vars(CONFIG) | {"max_steps": 500}))
    sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=r"run.npz: the log-density has changed by 0\.2 where its chains stand"):
        sample(lambda z: ridge(z) + 0.2, jnp.zeros(3), longer, checkpoint=path)
    with pytest.raises(ValueError, match=r"has changed by (nan|inf)"):
        sample(lambda z: ridge(z) * jnp.nan, jnp.zeros(3), longer, checkpoint=path)
    assert path.read_bytes() == kept
    sample(lambda z: ridge(z) + 1e-4, jnp.zeros(3), longer, checkpoint=path)  # rounding


def test_what_a_killed_process_left_of_a_checkpoint_is_swept(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path, here = tmp_path / "run.npz", _here()
    left = tmp_path / f"run.npz.{here}-{ended.pid}.partial"
    kept = [f"run.npz.{here}-{os.getppid()}.partial", f"run.npz.00000000-{ended.pid}.partial", "run.npz.x.partial"]
    for name in (left.name, *kept):
        (tmp_path / name).touch()
    save_checkpoint(path, _run_of_one_step())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, path.name])


def _run_of_one_step():
    empty = {name: np.zeros(1) for name in SamplerState._fields}
    return Checkpoint("f", "c", SamplerState(**empty))


def test_checkpoints_of_other_runs_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path, fingerprint="a")
    with pytest.raises(ValueError, match="another model or data"):
        sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path, fingerprint="b")
    other = MalaConfig(**(vars(CONFIG) | {"seed": 12}))
    with pytest.raises(ValueError, match="another sampler configuration"):
        sample(ridge, jnp.zeros(3), other, checkpoint=path, fingerprint="a")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_checkpoint(path)
    np.savez(path, a=np.zeros(2))
    with pytest.raises(ValueError, match="not a sampler-checkpoint-3"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz")


def test_progress_covers_both_phases_and_knows_the_diagnostics():
    seen = []
    result = sample(ridge, jnp.zeros(3), CONFIG, progress=seen.append)
    assert [p.phase for p in seen] == ["warmup"] * 4 + ["sampling"] * 12
    assert [p.step for p in seen] == [25, 50, 75, 100, *range(25, 301, 25)]
    assert seen[0].rhat is None
    assert seen[-1].min_ess is not None
    assert 0 < seen[-1].acceptance < 1
    # max_steps is no estimate: without an effective sample size there is none.
    assert [p.seconds_left is None for p in seen[4:]] == [p.min_ess is None for p in seen[4:]]
    assert seen[4].min_ess is None
    assert seen[1].seconds_left > 0
    assert seen[-1].seconds_left == pytest.approx(0.0, abs=1e-9)
    assert seen[-1].step_size == pytest.approx(result.step_size)
    assert not result.converged  # the target of a million was out of reach, and it says so


def test_sampling_stops_once_converged_and_thins():
    config = MalaConfig(target_ess=400, thin=5, seed=4)
    result = sample(ridge, jnp.zeros(3), config)
    assert result.converged
    assert result.summary.min_ess > 400
    assert result.summary.max_rhat < 1.01
    assert result.draws.shape[1] < config.max_steps / 5 / 2


def test_monitor_decides_on_the_constrained_quantities():
    space = ParameterSpace({"a": Uniform(0, 1), "b": Uniform(5, 6)})
    result = sample(space.log_prior, jnp.zeros(2), MalaConfig(seed=1), monitor=Monitor(space.constrain_array))
    assert result.converged
    error = result.summary.sd / np.sqrt(result.summary.ess_bulk)
    assert np.all(np.abs(result.summary.mean - [0.5, 5.5]) < 4 * error)


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


def test_chains_started_in_two_modes_are_reported():
    def two(z):
        return jnp.logaddexp(-50 * jnp.sum((z - 2) ** 2), -50 * jnp.sum((z + 2) ** 2) - 40)

    start = jnp.array([[2.0, 2.0], [2.0, 2.0], [-2.0, -2.0], [2.0, 2.0]])
    result = sample(two, start, CONFIG)
    assert not result.converged
    assert result.suspect_chains == (2,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_chains": 1}, "n_chains"),
        ({"thin": 4}, "thin"),
        ({"max_steps": 3}, "max_steps"),
        ({"target_rhat": 1.0}, "target_rhat"),
        ({"n_warmup": 0}, "n_warmup"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MalaConfig(**settings)


def test_bad_starts_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        sample(lambda z: jnp.log(z[0]), jnp.array([-1.0, 0.0]), CONFIG)
    with pytest.raises(ValueError, match="shape"):
        sample(ridge, jnp.zeros((3, 3)), CONFIG)
    with pytest.raises(ValueError, match="draws has shape"):
        summarize(np.zeros((1, 10, 2)))
