"""Commands keep what they compile, where the user says or in the user's cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Another shape than any other test compiles; slow enough to be worth a file.
PROGRAM = """
import sys, time
from pathlib import Path
from steelyard.compiled import keep_compiled
if sys.argv[1:]:
    keep_compiled(Path(sys.argv[1]))
else:
    keep_compiled()
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: jnp.linalg.inv(jnp.sin(x) @ x))(jnp.eye(3)).block_until_ready()
print(jax.config.jax_compilation_cache_max_size)
"""


def run(environment, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return int(done.stdout)


@pytest.fixture
def environment(tmp_path):
    return {name: value for name, value in os.environ.items() if not name.startswith("JAX")} | {
        "XDG_CACHE_HOME": str(tmp_path / "cache")
    }


def programs(folder):
    return sorted(path.name for path in Path(folder).rglob("*-cache"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the user's cache is at another place")
def test_the_users_cache_is_used_again_and_bounded(environment, tmp_path):
    assert run(environment) == 2 * 2**30
    first = programs(tmp_path / "cache" / "steelyard" / "compiled")
    assert first
    run(environment)
    assert programs(tmp_path / "cache" / "steelyard" / "compiled") == first


def test_a_surveys_own_folder_has_no_bound(environment, tmp_path):
    assert run(environment, str(tmp_path / "own")) == -1
    assert programs(tmp_path / "own")


def test_the_environment_goes_first(environment, tmp_path):
    run(environment | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "theirs")}, str(tmp_path / "own"))
    assert programs(tmp_path / "theirs")
    assert not (tmp_path / "own").exists()
