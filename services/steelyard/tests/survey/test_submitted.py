"""A survey that a cluster runs for its user, by `ray job submit`."""

import json
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from ..support.nodes import SUPPORT, Nodes, until

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="surveys need steelyard[survey]")

SAMPLE = """\
[defaults]
distance.mpc = 10.0
data.path = "none.zarr"
line = { name = "CO(2-1)", rest_frequency_hz = 230.538e9 }
[[galaxy]]
name = "A"
[[galaxy]]
name = "B"
"""


@pytest.fixture
def port():
    """One of the loopback interface that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def nodes(port):
    made = Nodes(dashboard_port=port)
    yield made
    made.close()


@pytest.mark.slow
def test_a_submitted_survey_joins_the_cluster_that_runs_it(nodes, port, tmp_path):
    table = tmp_path / "sample.toml"
    table.write_text(SAMPLE)
    entry = [sys.executable, str(SUPPORT / "survey_works.py"), str(tmp_path / "survey"), f"--table={table}"]
    command = ["-m", "ray.scripts.scripts", "job", "submit", f"--address=http://127.0.0.1:{port}", "--", *entry]

    def submit():
        job = nodes.start(*command, stderr=subprocess.STDOUT)
        told = job.communicate(timeout=180)[0]
        # The nodes' agents, which start jobs, are up some seconds after the nodes.
        if "No available agent" in told:
            return None
        assert job.returncode == 0, told
        return told

    told = until(submit)
    # Not a Ray of its own on one node.
    assert "2 of 2 galaxies to do (workers: 2, nodes: 3)" in told
    tally = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    assert (tally["converged"], tally["failed"]) == (2, 0)
