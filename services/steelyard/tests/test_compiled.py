"""Commands keep what they compile, where the user says or in the user's cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from steelyard.compiled import keep_compiled

LEAST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
PROGRAM = """
import sys
from pathlib import Path
if sys.argv[1] == "loaded":  # as in commands
    import jax
from steelyard.compiled import keep_compiled
keep_compiled(*map(Path, sys.argv[2:]))
import jax, jax.numpy as jnp
jax.jit(lambda x: jnp.linalg.inv(jnp.sin(x) @ x))(jnp.eye(3)).block_until_ready()
print(jax.config.jax_compilation_cache_max_size, jax.config.jax_persistent_cache_min_compile_time_secs)
"""


def run(environment, when, *arguments):
    """Compile something after `keep_compiled`, JAX being loaded before it or not; tell bound and least seconds."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, when, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    bound, least = done.stdout.split()
    return int(bound), float(least)


@pytest.fixture
def environment(tmp_path):
    return {name: value for name, value in os.environ.items() if not name.startswith("JAX")} | {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        LEAST: "0.001",  # everything is worth a file here
    }


def programs(folder):
    return sorted(path.name for path in Path(folder).rglob("*-cache"))


both = pytest.mark.parametrize("when", ["loaded", "not yet loaded"])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the user's cache is at another place")
@both
def test_the_users_cache_is_used_again_and_bounded(environment, tmp_path, when):
    assert run(environment, when) == (2 * 2**30, 0.001)
    first = programs(tmp_path / "cache" / "steelyard" / "compiled")
    assert first
    run(environment, when)
    assert programs(tmp_path / "cache" / "steelyard" / "compiled") == first


@pytest.mark.slow
@both
def test_a_surveys_own_folder_has_no_bound(environment, tmp_path, when):
    assert run(environment, when, str(tmp_path / "own")) == (-1, 0.001)
    assert programs(tmp_path / "own")
    del environment[LEAST]
    assert run(environment, when, str(tmp_path / "own")) == (-1, 0.5)


@pytest.mark.slow
@both
def test_the_environment_goes_first(environment, tmp_path, when):
    run(environment | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "theirs")}, when, str(tmp_path / "own"))
    assert programs(tmp_path / "theirs")
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("place", ["a file", "no home"])
def test_a_cache_that_cannot_be_written_is_said_once_and_not_used(environment, tmp_path, monkeypatch, place):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    for name in ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "JAX_COMPILATION_CACHE_MAX_SIZE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / "steelyard" if place == "a file" else Path("~/.cache/steelyard")
    monkeypatch.setattr("steelyard.compiled.user_cache_path", lambda _: cache)
    monkeypatch.chdir(tmp_path)
    told = keep_compiled()
    assert f"{cache / 'compiled'} is not writable; set JAX_COMPILATION_CACHE_DIR to another" in told
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert not (tmp_path / "~").exists()
