"""All tests compute as commands do, and share what they compile: processes of one run keep one folder of programs."""

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
    """Name the folder in the environment, which the workers of this run and the commands that tests start inherit."""
    if PLACE not in os.environ:
        config.stash[FOLDER] = tempfile.mkdtemp(prefix="steelyard-tests-")
        # Most of what tests compile takes less than the second from which on JAX keeps it.
        os.environ.update({PLACE: config.stash[FOLDER], LEAST_SECONDS: "0.2"})


def pytest_unconfigure(config):
    """Remove the folder that this process made."""
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)
        for name in (PLACE, LEAST_SECONDS):
            os.environ.pop(name, None)
