"""The run as a whole: compiled programs, checkpoints, progress, diagnostics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import MalaConfig, Monitor, ParameterSpace, Uniform, find_mode, load_checkpoint, sample

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


def test_chains_started_in_two_modes_are_reported():
    def two(z):
        return jnp.logaddexp(-50 * jnp.sum((z - 2) ** 2), -50 * jnp.sum((z + 2) ** 2) - 40)

    start = jnp.array([[2.0, 2.0], [2.0, 2.0], [-2.0, -2.0], [2.0, 2.0]])
    result = sample(two, start, CONFIG)
    assert not result.converged
    assert result.suspect_chains == (2,)


def test_bad_starts_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        sample(lambda z: jnp.log(z[0]), jnp.array([-1.0, 0.0]), CONFIG)
    with pytest.raises(ValueError, match="shape"):
        sample(ridge, jnp.zeros((3, 3)), CONFIG)
