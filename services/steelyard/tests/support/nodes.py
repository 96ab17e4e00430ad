"""A cluster of several Ray nodes on this machine, for tests that end parts of it."""

import os
import subprocess
import sys
import time
from pathlib import Path

SUPPORT = Path(__file__).parent


class Nodes:
    """Ray's nodes, a head without CPUs and two with one each, and processes that join them."""

    def __init__(self, dashboard_port=None):
        # The tests' work must be importable by Ray's workers; uv must not build an environment for each.
        self.environment = {
            **os.environ,
            # As many threads as an actor has: sums come out the same.
            **dict.fromkeys(("NPROC", "PJRT_NPROC", "OMP_NUM_THREADS"), "1"),
            "PYTHONPATH": str(SUPPORT),
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        dashboard = [] if dashboard_port is None else [str(dashboard_port)]
        self._process = self.start(
            str(SUPPORT / "ray_nodes.py"), *dashboard, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.address = self._answer("address").split()[1]

    def start(self, *arguments, **options):
        """Run Python with these arguments; its standard output can be read."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            **options,
        )

    def _answer(self, word):
        return next(line for line in self._process.stdout if line.startswith(word))

    def tell(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._answer("done")

    def close(self):
        self._process.communicate("stop\n", timeout=60)


def until(what, seconds=240.0):
    """Wait for a truth, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found
