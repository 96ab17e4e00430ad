"""A local Ray answers only who knows its token; the environment and the user's own token stay as they are."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from steelyard.cluster.session import ray_session
from steelyard.cluster.token import private_token
from steelyard_schemas import ContractError

from ..support.nodes import SUPPORT

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="surveys need steelyard[survey]")
# Ray's own client of the cluster's tables: `ray.init` tries again for minutes before it gives up.
JOIN = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=30)
print("joined")
"""


@contextmanager
def local_session(home):
    """Start a session in another process; yield it and what it says of itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, str(SUPPORT / "ray_local.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment | {"HOME": str(home)},
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def join(address, home, **environment):
    """Whether a process of its own gets into a cluster."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean | {"HOME": str(home)} | environment,
    )
    assert ("joined" in done.stdout) == (done.returncode == 0)
    assert done.returncode == 0 or "InvalidAuthToken" in done.stderr
    return done.returncode == 0


@pytest.mark.slow
def test_only_who_has_the_token_gets_in(tmp_path):
    with local_session(tmp_path) as (process, facts):
        assert (facts["mode"], facts["folder_mode"], facts["worker"]) == ("0o600", "0o700", "token")
        assert facts["own_sigterm"]  # Ray would end a command with code 15
        assert not join(facts["address"], tmp_path)
        assert not join(facts["address"], tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
        assert join(facts["address"], tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=facts["token"])
        end = json.loads(process.communicate("end\n", timeout=60)[0])
    assert end == {"left": False, "changed": []}
    assert not (tmp_path / ".ray").exists()  # no token of the user's was made


def test_tokens_are_fresh_and_the_environment_comes_back(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    before, tokens = dict(os.environ), set()
    for _ in range(2):
        with private_token() as path:
            assert os.environ["RAY_AUTH_MODE"] == "token"
            assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(path)
            assert "RAY_AUTH_TOKEN" not in os.environ
            tokens.add(path.read_text())
        assert dict(os.environ) == before
        assert not path.parent.exists()
    assert len(tokens) == 2
    assert {len(token) for token in tokens} == {64}


@pytest.mark.parametrize("address", ["10.0.0.1:6379", None])
def test_a_cluster_that_is_joined_has_its_own_rules(address, monkeypatch):
    ray = pytest.importorskip("ray")
    seen = {}

    def refuse(**options):
        seen.update(options, **{name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH")})
        raise Exception("the node timed out\nduring startup")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    before = dict(os.environ)
    where = f"reach the cluster at {address}" if address else "start a local Ray"
    with pytest.raises(ContractError, match=f"ray: cannot {where}: the node timed out during"), ray_session(address):
        pass
    assert seen["address"] == (address or "local")
    assert seen["RAY_AUTH_MODE"] == ("disabled" if address else "token")
    assert ("RAY_AUTH_TOKEN_PATH" in seen) == (address is None)
    assert dict(os.environ) == before
