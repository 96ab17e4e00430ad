"""A fork server: it imports the commands once, and runs each command line in a child of its own, within limits.

JAX must not have started in the server, because its threads do not survive a fork. The module runs as a script, by
itself: `Server` starts it, and it knows nothing of the tests.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 60
LIMIT_BYTES = 2 * 2**30
"""Address space allowed beyond that of the imported commands."""
PROGRAMS = {
    "vis-gridder": "vis_gridder.cli",
    "steelyard": "steelyard.commands.main",
    "nuker-surrogate": "nuker_surrogate.cli",
}
EARLY = (
    "steelyard.fitting.run",
    "steelyard.galaxy.simulation",
    "steelyard.report",
    "steelyard.comparison.fits",
    "steelyard.lease",
    "steelyard.compiled",
    "steelyard.survey.report",
    "steelyard.survey.watch",
    "steelyard.survey.relation",
    "steelyard.cluster.run",
    "nuker_surrogate.artifacts.remote",
    "vis_gridder.readers.measurement_set.open",
    "vis_gridder.readers.uvfits.open",
    "casacore.tables",
    "pyarrow.parquet",
)
"""What commands import only when they run; here it is imported once for all."""


class Outcome(NamedTuple):
    """How a command ended."""

    code: int | None
    """None if a signal ended it."""
    signal: int
    stdout: str
    stderr: str
    cpu_s: float


class Server:
    """The parent of all commands; `close` it, or use it as a context."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.cpu_s = 0.0
        for name in ("home", "cache", "tmp", "out"):
            (scratch / name).mkdir(parents=True)
        places = {
            "HOME": scratch / "home",
            "TMPDIR": scratch / "tmp",
            "XDG_CACHE_HOME": scratch / "cache",
            "MPLCONFIGDIR": scratch / "cache" / "matplotlib",
        }
        plain = {"OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}
        left_out = {"STEELYARD_TRACEBACK", "STEELYARD_SURROGATES", "JAX_COMPILATION_CACHE_DIR", "RAY_ADDRESS"}
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(scratch / "out")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | plain | {name: str(path) for name, path in places.items()},
        )
        self.cpu_s += self._answer()["cpu_s"]

    def run(self, argv: Sequence[str], folder: Path) -> Outcome:
        """Run one command line in a folder."""
        assert self._process.stdin is not None
        print(json.dumps({"argv": list(argv), "folder": str(folder)}), file=self._process.stdin, flush=True)
        facts = self._answer()
        self.cpu_s += facts["cpu_s"]
        said = [(self.scratch / "out" / name).read_bytes().decode() for name in ("stdout", "stderr")]
        return Outcome(facts["code"], facts["signal"], *said, facts["cpu_s"])

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fork server ended")
        return json.loads(line)

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(out: Path) -> None:
    """Answer each line of standard input by how the command in it ended."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imports print is no answer
    _import_commands()
    limit = _address_space() + LIMIT_BYTES
    # A thread of Arrow's is there; it keeps nothing that a child needs.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu_s": used.ru_utime + used.ru_stime}), file=answers, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_the_command(wanted["argv"], wanted["folder"], out, limit)
        _, status, used = os.wait4(child, 0)
        with suppress(ProcessLookupError):  # what the command started and left
            os.killpg(child, signal.SIGKILL)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        facts = {"code": code, "signal": ended, "cpu_s": used.ru_utime + used.ru_stime}
        print(json.dumps(facts), file=answers, flush=True)


def _import_commands() -> None:
    import jax.numpy as jnp
    import numpy as np

    # BlackJAX computes a default argument as it is imported, which would start JAX here.
    log, jnp.log = jnp.log, np.log
    try:
        import_module("blackjax")
    finally:
        jnp.log = log
    for module in (*PROGRAMS.values(), *EARLY):
        import_module(module)
    sys.modules["ray"] = None  # no hostile sample gets as far as a cluster; one that does ends in an ImportError
    from jax._src import xla_bridge

    assert not xla_bridge._backends, "JAX has started in the fork server"


def _address_space() -> int:
    """Return the bytes of address space that this process has taken."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _be_the_command(argv: list[str], folder: str, out: Path, limit: int) -> None:
    """Run a command line as its entry point would, and end."""
    code: object = 1
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # Warnings go where they go in a process of its own.
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = argv
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(LIMIT_S)
        import_module(PROGRAMS[argv[0]]).app(args=argv[1:], prog_name=argv[0])
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
