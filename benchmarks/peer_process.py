"""Processes that wait for commands, so that codes of different environments can be timed in alternation.

A worker reads one JSON list [command, arguments] a line and answers each with one line of JSON. Needs Python alone:
the peers' interpreters import it too.
"""

import contextlib
import ctypes
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from validation import ROOT


def module_command(module, *arguments, interpreter=sys.executable):
    """Return the command that runs one of our modules in an interpreter; it is to be started in ROOT."""
    found = shutil.which(interpreter)
    if found is None:
        raise SystemExit(f"error: {interpreter}: no such interpreter; give the path of its python")
    # Not resolved: a link is what tells Python its environment.
    return [os.path.abspath(found), "-m", module, *map(str, arguments)]


def run_module(module, *arguments, **options):
    """Run one of our modules in a process of its own, and wait for it."""
    return subprocess.run(module_command(module, *arguments), cwd=ROOT, check=True, **options)


class Worker:
    """A module of ours in a process that serves commands; `variables` are added to its environment."""

    def __init__(self, module, *arguments, interpreter=sys.executable, variables=None):
        self._process = subprocess.Popen(
            module_command(module, *arguments, interpreter=interpreter),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (variables or {}),
        )

    def ask(self, command, **arguments):
        """Send one command and wait for its answer."""
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()} on '{command}'")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        # Closes both pipes, at which the worker ends, and waits for that.
        self._process.__exit__(*exception)


def serve(commands):
    """Answer commands, a mapping of names to functions, until standard input ends."""
    # Whatever a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command, arguments = json.loads(line)
        print(json.dumps(commands[command](**arguments)), file=answers, flush=True)


def timed(function):
    """Return what a function returns and the seconds it took."""
    began = time.perf_counter()
    result = function()
    return result, time.perf_counter() - began


def settle_memory():
    """Give freed memory back to the system and forget the peak, so that what comes next is measured by itself."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # the GNU C library's
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mib()[0]


def memory_mib():
    """Return the memory that this process holds now, and the most it has held (`ru_maxrss` counts its parent's)."""
    status = Path("/proc/self/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))


def machine():
    """Return processor and cores, as the tables name them."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return f"{found[1] if found else 'unknown processor'}, {os.cpu_count()} cores"
