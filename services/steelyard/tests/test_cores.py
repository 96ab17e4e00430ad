"""Commands divide the CPU into devices for the chains of a fit, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest
from steelyard.cluster.pool import Share
from steelyard.cores import parts_of

PROGRAM = """
import sys
if sys.argv[1] == "loaded":  # as in commands
    import jax
from steelyard.cores import divide_cores
divide_cores()
import jax
print(jax.local_device_count())
"""


def devices(when, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX")} | variables
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, when], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("when", ["loaded", "not yet loaded"])
def test_a_command_has_a_device_for_each_core(when):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert devices(when, JAX_PLATFORMS="cpu") == min(cores, 4)


def test_the_environment_goes_first():
    assert devices("loaded", JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="3") == 3


def test_there_are_no_more_parts_than_chains_of_a_default_fit():
    assert [parts_of(cores) for cores in (0, 1, 3, 4, 96)] == [1, 1, 3, 4, 4]


def test_a_survey_worker_divides_its_own_share():
    assert Share(cpus=0.5).environment["JAX_NUM_CPU_DEVICES"] == "1"
    assert Share(cpus=8).environment["JAX_NUM_CPU_DEVICES"] == "4"
