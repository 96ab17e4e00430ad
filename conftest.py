"""All tests compute as commands do, and keep what they compile until the run ends, each worker in its own folder."""

import os
import shutil
import tempfile

import pytest
from steelyard.vectors import use_wide_vectors

# Read by JAX when it is first used, which importing a module of tests may do. A fit's draws depend on XLA's vectors,
# in the eighth digit.
use_wide_vectors()

PLACE, LEAST_SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
FOLDER = pytest.StashKey[str]()


def pytest_configure(config):
    """Name the folder in the environment, which commands that tests start inherit."""
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker is not None:
        # Not one for all: JAX writes without a temporary name, and warns of a program that is half there.
        os.environ[PLACE] = os.path.join(os.environ[PLACE], worker)
    elif PLACE not in os.environ:
        config.stash[FOLDER] = tempfile.mkdtemp(prefix="steelyard-tests-")
        # Most of what tests compile takes less than the second from which on JAX keeps it.
        os.environ.update({PLACE: config.stash[FOLDER], LEAST_SECONDS: "0.2"})


def pytest_unconfigure(config):
    """Remove the folder that this process made."""
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)
        for name in (PLACE, LEAST_SECONDS):
            os.environ.pop(name, None)
