"""SIGKILL between checkpoints: nothing but the last interval is lost, and the run ends as if undisturbed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import Approximation, MalaConfig, load_checkpoint, sample

CONFIG = MalaConfig(n_warmup=100, max_steps=400, target_ess=1e9, seed=11, block=10, checkpoint_seconds=0.0)

SCRIPT = """\
import sys, time
import jax
jax.config.update("jax_enable_x64", True)
sys.path.insert(0, {folder!r})
from {module} import run
def tell(progress):
    print(progress.phase, progress.step, flush=True)
    time.sleep(0.02)  # else the parent could not hit a moment between two blocks
run({path!r}, {jumps!r}, tell)
print("done", flush=True)
"""


def ridge(z):
    return -0.5 * jnp.sum(z**2) - 4.0 * (z[0] - 0.8 * z[1]) ** 2


def steeper(z):
    return -0.55 * jnp.sum(z**2) - 3.5 * (z[0] - 0.8 * z[1]) ** 2


def run(path, jumps, progress=None):
    approximation = Approximation(steeper) if jumps else None
    start = jnp.zeros(3)
    return sample(
        ridge, start, CONFIG, approximation=approximation, checkpoint=path, fingerprint="k", progress=progress
    )


def start(path, jumps):
    here = Path(__file__)
    script = SCRIPT.format(folder=str(here.parent), module=here.stem, path=path, jumps=jumps)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def killed_after(process, phase, step, delay):
    """Read the run's progress until it is there, wait, kill it; return the last step of the phase it told."""
    for line in process.stdout:
        if line.split() == [phase, str(step)]:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            break
    told = [line.split() for line in process.stdout]
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert ["done"] not in told
    steps = [int(words[1]) for words in told if words[0] == phase]
    return max([step, *steps])


@pytest.fixture(scope="module", params=[False, True], ids=["mala", "jumps"])
def whole(request, tmp_path_factory):
    with jax.enable_x64(True):
        return request.param, run(str(tmp_path_factory.mktemp("whole") / "run.npz"), request.param)


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "step"), [("warmup", 20), ("sampling", 150)])
def test_a_killed_run_ends_with_the_same_draws(tmp_path, whole, phase, step):
    jumps, undisturbed = whole
    path = str(tmp_path / "run.npz")
    told = killed_after(start(path, jumps), phase, step, delay=0.013)
    state = load_checkpoint(path).state
    warmup = int(state.step) - len(state.draws)
    done = int(state.step) - (warmup if phase == "sampling" else 0)
    # Progress is told before the checkpoint of its block is written: at most that block is lost.
    assert told - CONFIG.block <= done <= told + CONFIG.block
    assert (len(state.draws) > 0) == (phase == "sampling")

    resumed = run(path, jumps)
    for name in ("draws", "log_density", "acceptance", "jump_acceptance", "factor", "step_size", "n_gradients"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(undisturbed, name), err_msg=name)
    np.testing.assert_array_equal(np.swapaxes(state.draws, 0, 1), undisturbed.draws[:, : len(state.draws)])
    assert undisturbed.draws.shape == (4, 400, 3)
