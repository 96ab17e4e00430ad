"""Checkpoint files: what they hold, which are refused, and those of the version before."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from sampler import Approximation, MalaConfig, load_checkpoint, sample

CONFIG = MalaConfig(n_warmup=100, max_steps=300, target_ess=1e6, seed=11, checkpoint_seconds=0.0)


def ridge(z):
    return -0.5 * jnp.sum(z**2) - 4.0 * (z[0] - 0.8 * z[1]) ** 2


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
    with pytest.raises(ValueError, match="not a sampler-checkpoint-4"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz")


def write_version_3(path, found, others):
    """The arrays of a run of MALA alone under their names in version 3, in which every state had those of jumps."""
    state = found.state
    dim = state.factor.shape[0]
    mala = state.kernels["mala"]
    np.savez(
        path,
        format=np.array("sampler-checkpoint-3"),
        fingerprint=np.array(found.fingerprint),
        config=np.array(found.config),
        step=state.step,
        position=state.chains.position,
        log_density=state.chains.log_density,
        score=state.chains.score,
        factor=state.factor,
        step_size=mala["step_size"],
        fisher=mala["fisher"],
        fisher_count=mala["fisher_count"],
        acceptance=state.acceptance["mala"],
        jump_acceptance=np.zeros(4),
        jump=np.zeros(2),
        archive_centre=np.zeros(dim),
        archive_points=np.zeros((0, dim)),
        archive_projector=np.zeros((dim, dim)),
        seconds=state.seconds,
        n_gradients=state.n_gradients,
        n_jumps=np.array(0),
        draws=state.draws,
        draw_log_density=state.draw_log_density,
        **others,
    )


def stopped(path, step):
    def interrupt(progress):
        if progress.phase == "sampling" and progress.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(ridge, jnp.zeros(3), CONFIG, progress=interrupt, checkpoint=path, fingerprint="f")
    return load_checkpoint(path)


def test_a_checkpoint_of_version_3_is_resumed_bit_for_bit(tmp_path):
    path = tmp_path / "run.npz"
    found = stopped(path, 50)
    write_version_3(path, found, {})
    old = load_checkpoint(path)
    assert set(old.state.kernels) == {"mala"}
    np.testing.assert_array_equal(old.state.draws, found.state.draws)
    resumed = sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path, fingerprint="f")
    whole = sample(ridge, jnp.zeros(3), CONFIG)
    for name in ("draws", "log_density", "acceptance", "factor", "step_size", "n_gradients"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name), err_msg=name)
    write_version_3(path, found, {"more": np.zeros(1)})
    with pytest.raises(ValueError, match="not a sampler-checkpoint-4"):
        load_checkpoint(path)


def test_a_state_holds_the_arrays_of_its_kernels_alone(tmp_path):
    state = stopped(tmp_path / "run.npz", 25).state
    assert {name: set(own) for name, own in state.kernels.items()} == {
        "mala": {"step_size", "fisher", "fisher_count"}
    }
    assert set(state.acceptance) == {"mala"}


def test_a_run_with_other_kernels_is_refused(tmp_path):
    """Its settings are the same: four blocks of warm-up with an approximation or without."""
    path: Path = tmp_path / "run.npz"
    stopped(path, 25)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=r"run.npz: checkpoint of a run without an approximation"):
        sample(ridge, jnp.zeros(3), CONFIG, checkpoint=path, fingerprint="f", approximation=Approximation(ridge))
    assert path.read_bytes() == kept
