"""What is freed stays with the process, where the C library can be told so."""

import ctypes
import subprocess
import sys

import pytest
from steelyard.allocation import keep_freed_memory

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


def share_mapped_anew(how):
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="the setting is the GNU C library's"
)
def test_memory_is_not_mapped_again():
    assert share_mapped_anew("keep") < 0.5 * share_mapped_anew("as it is")


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_another_c_library(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
