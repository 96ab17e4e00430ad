"""Commands divide the CPU into devices for the chains of a fit, unless the environment says otherwise."""

import os
import subprocess
import sys

import pytest
from steelyard.cluster.pool import Share
from steelyard.cores import division

PROGRAM = """
import sys
if sys.argv[1] == "loaded":  # as in commands
    import jax
from steelyard import cores
cores.available_cores = lambda: 3  # whatever this machine has
cores.divide_cores()
import jax
print(jax.local_device_count())
"""


# A command up to where its work would begin.
COMMAND = """
import sys
from steelyard import compiled, cores
cores.available_cores = lambda: 3
from steelyard.commands.main import app
class Begun(BaseException): pass  # which no guard of errors takes
def begin(): raise Begun
compiled.keep_compiled = begin
sys.argv[0] = "steelyard"
try:
    app()
except Begun:
    pass
import sampler, jax
print(jax.local_device_count())
"""


def run(program, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX")} | variables
    command = [sys.executable, "-c", program, *arguments]
    return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["loaded", "not yet loaded"])
def test_a_command_has_a_device_for_each_core(when):
    assert run(PROGRAM, when, JAX_PLATFORMS="cpu") == 3


@pytest.mark.slow
@pytest.mark.parametrize("command", [["fit", "none.toml"], ["compare", "none.toml", "--models"]])
def test_commands_do_so_before_jax_is_used(command):
    assert run(COMMAND, *command, JAX_PLATFORMS="cpu") == 3


def test_the_environment_goes_first():
    assert run(PROGRAM, "loaded", JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="2") == 2


def test_there_are_no_more_parts_than_chains_of_a_default_fit():
    assert [int(division(cores)["JAX_NUM_CPU_DEVICES"]) for cores in (0, 1, 3, 4, 96)] == [1, 1, 3, 4, 4]


def test_a_survey_worker_divides_its_own_share():
    assert Share(cpus=0.5).environment["JAX_NUM_CPU_DEVICES"] == "1"
    assert Share(cpus=8).environment["JAX_NUM_CPU_DEVICES"] == "4"
