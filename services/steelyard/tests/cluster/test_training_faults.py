"""Surrogates trained on several Ray nodes: as those trained in one process, whatever dies meanwhile."""

import json
import os
import signal
import subprocess
from importlib.util import find_spec

import pytest

from ..support.nodes import Nodes, until

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="training side by side needs steelyard[survey]")
SMALL = ["--linear-examples", "200", "--hidden", "8", "--examples", "400", "--label-steps", "100"]
SMALL += ["--loss-steps", "30000", "--points", "4", "--choose-on", "5", "--head", "linear", "--head", "corrected"]
COMMAND = ["-c", "from nuker_surrogate.cli import main; main()", "train"]


@pytest.fixture(scope="module")
def nodes():
    made = Nodes()
    yield made
    made.close()


def trainer_pid(out, stage):
    """Process that has come to a stage of the corrected member, else None."""
    status = out.with_name("mine.training") / "corrected-8-seed0" / "status.json"
    if not status.exists():
        return None
    told = json.loads(status.read_text())
    return int(told["worker"].rpartition(":")[2]) if told["stage"] == stage else None


@pytest.mark.slow
def test_a_killed_trainer_goes_on_elsewhere_and_ends_with_the_same_weights(nodes, tmp_path):
    calm, out = tmp_path / "calm", tmp_path / "mine"
    alone = nodes.start(*COMMAND, str(calm), *SMALL, "--json", stderr=subprocess.PIPE)
    expected = json.loads(alone.communicate(timeout=300)[0])
    assert alone.returncode == 0

    driver = nodes.start(
        *COMMAND, str(out), *SMALL, "--workers", "2", "--address", nodes.address, "--json", stderr=subprocess.PIPE
    )
    try:
        # By then its linear part is in the checkpoint.
        os.kill(until(lambda: trainer_pid(out, "errors")), signal.SIGKILL)
        printed, told = driver.communicate(timeout=300)
    finally:
        driver.kill()
    assert driver.returncode == 0, told
    assert "corrected-8-seed0: lost" in told
    assert "another worker continues" in told
    found = json.loads(printed)
    # Errors to the last bit: the killed member has the weights that it has alone.
    assert [{**member, "wall_s": 0} for member in found["members"]] == [
        {**member, "wall_s": 0} for member in expected["members"]
    ]
    assert found["errors"] == expected["errors"]
    assert found["files"]["weights.msgpack"] == expected["files"]["weights.msgpack"]
    assert not out.with_name("mine.training").exists()
