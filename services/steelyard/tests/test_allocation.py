"""Freed memory stays with the process where the C library supports it."""

import ctypes
import os
import subprocess
import sys

import pytest
from steelyard.allocation import KEEP_FREED_MEMORY, keep_freed_memory

# Page faults of filling 200 MiB a second time, in units of its pages.
PROGRAM = """
import resource, sys
N = 200 * 2**20
from steelyard.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
b"x" * N
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * N
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / N)
"""

# A command up to where its work would begin, then the arenas from which threads take memory.
COMMAND = """
from steelyard import compiled
from steelyard.commands.main import app
class Begun(BaseException): pass  # which no guard of errors takes
def begin(): raise Begun
compiled.keep_compiled = begin
try:
    app()
except Begun:
    pass
"""
ARENAS = """
import ctypes, jax
jax.numpy.zeros(3).block_until_ready()
c = ctypes.CDLL(None)
c.open_memstream.restype = ctypes.c_void_p
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = ctypes.c_void_p(c.open_memstream(ctypes.byref(text), ctypes.byref(size)))
c.malloc_info(0, stream)
c.fclose(stream)
print(text.value.decode().count("<heap nr="))
"""
only_gnu = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="the setting is the GNU C library's"
)


def run(program, *arguments, variables=None):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | (variables or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@only_gnu
def test_memory_is_not_mapped_again():
    as_it_is = run(PROGRAM, "as it is")
    assert run(PROGRAM, "keep") < 0.5 * as_it_is
    assert run(PROGRAM, "as it is", variables=KEEP_FREED_MEMORY) < 0.5 * as_it_is


@pytest.mark.slow
@only_gnu
def test_commands_keep_memory_before_jax_starts_its_threads():
    """Threads that are there already keep arenas of their own, which give their memory back."""
    assert run(ARENAS) > 1
    assert run(ARENAS, variables=KEEP_FREED_MEMORY) == 1
    assert run(COMMAND + ARENAS, "fit", os.devnull) == 1
    assert run(COMMAND + ARENAS, "compare", "--models", os.devnull) == 1


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_another_c_library(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
