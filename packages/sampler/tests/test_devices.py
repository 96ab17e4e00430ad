"""Chains spread over devices: the same draws to rounding, each device with its share, an interrupted run exact."""

import os
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import sys
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
from sampler import Approximation, MalaConfig, find_mode, sample
from sampler.devices import on_chain_devices, over_chains


def ridge(z, scale):
    return -0.5 * jnp.sum((z / scale) ** 2) - 4.0 * (z[0] - 0.8 * z[1]) ** 2


class Stopped(Exception):
    pass


def stop(progress):
    if progress.phase == "sampling" and progress.step == 100:
        raise Stopped


args = (jnp.array([1.0, 2.0, 0.5]),)
shares = [
    len(jax.jit(over_chains(ridge, (0, None)))(jnp.ones((n, 3)), *args).sharding.device_set) for n in (4, 3, 9)
]
placed = [len(on_chain_devices(args, n)[0].sharding.device_set) for n in (4, 3, 9)]
assert placed == shares, placed
assert on_chain_devices((2.0, None), 4) == (2.0, None)
mode = find_mode(ridge, np.random.default_rng(0).normal(size=(8, 3)), args=args)
approximation = Approximation(lambda z, scale: 0.9 * ridge(z, scale), args)
config = MalaConfig(n_warmup=100, max_steps=200, target_ess=1e9, seed=3, block=20)
draws = {}
for name, choice in (("mala", None), ("jumps", approximation)):
    whole = sample(ridge, mode, config, args=args, approximation=choice)
    file = f"{sys.argv[1]}/{name}.npz"
    try:
        sample(ridge, mode, config, args=args, approximation=choice, checkpoint=file, progress=stop)
    except Stopped:
        pass
    else:
        raise AssertionError("was to be stopped half way")
    resumed = sample(ridge, mode, config, args=args, approximation=choice, checkpoint=file)
    np.testing.assert_array_equal(resumed.draws, whole.draws)
    draws[name] = whole.draws
np.savez(f"{sys.argv[1]}/draws.npz", shares=shares, mode=mode.position, **draws)
"""


@pytest.fixture(scope="module")
def by_devices(tmp_path_factory):
    """What the program left, by the number of devices that it had."""
    found = {}
    for devices in (1, 2, 3):
        folder = tmp_path_factory.mktemp(f"devices-{devices}")
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)}
        subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], check=True, env=environment)
        found[devices] = dict(np.load(folder / "draws.npz"))
    return found


@pytest.mark.slow
def test_as_many_devices_as_divide_the_chains(by_devices):
    # Of 4, 3 and 9 chains.
    assert by_devices[1]["shares"].tolist() == [1, 1, 1]
    assert by_devices[2]["shares"].tolist() == [2, 1, 1]
    assert by_devices[3]["shares"].tolist() == [2, 3, 3]


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 3])
@pytest.mark.parametrize("sampler", ["mala", "jumps"])
def test_draws_do_not_depend_on_devices(by_devices, devices, sampler):
    # Sums over chains are taken in another order, and what that rounds off grows along a chain; 300 steps of a
    # near-Gaussian stay this close. That interrupted runs are exact, the program has checked itself.
    one, many = by_devices[1][sampler], by_devices[devices][sampler]
    assert one.shape == (4, 200, 3)
    np.testing.assert_allclose(many, one, rtol=0, atol=1e-9)


def test_the_search_ends_at_the_same_mode(by_devices):
    np.testing.assert_allclose(by_devices[2]["mode"], by_devices[1]["mode"], rtol=0, atol=1e-9)
