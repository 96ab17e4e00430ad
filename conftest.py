"""All tests compute as commands do, and keep what they compile until the run ends, in one folder for all workers."""

import os
import shutil
import tempfile

import pytest
from steelyard.vectors import use_wide_vectors

# Read by JAX when it is first used, which importing a module of tests may do. A fit's draws depend on XLA's vectors,
# in the eighth digit.
use_wide_vectors()

PLACE = "JAX_COMPILATION_CACHE_DIR"
SETTINGS = {
    # Most of what tests compile takes less than the second from which on JAX keeps it.
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    # Never reached. Only with a limit does JAX lock the folder; without, a worker may read what another half wrote.
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(64 * 1024**3),
}
FOLDER = pytest.StashKey[str]()


def pytest_configure(config):
    """Name the folder in the environment, which commands that tests start inherit."""
    if PLACE not in os.environ:  # a worker has it from the process that started it
        config.stash[FOLDER] = tempfile.mkdtemp(prefix="steelyard-tests-")
        os.environ.update(SETTINGS | {PLACE: config.stash[FOLDER]})


def pytest_unconfigure(config):
    """Remove the folder that this process made."""
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)
        for name in (PLACE, *SETTINGS):
            os.environ.pop(name, None)
