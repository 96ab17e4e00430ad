"""What commands and survey workers settle before JAX starts."""

import os
import subprocess
import sys

import pytest
from steelyard import vectors
from steelyard.cluster.pool import Share
from steelyard.process import process_environment
from steelyard.vectors import wide_vectors

WIDE = "--xla_cpu_prefer_vector_width=512"

PROGRAM = """
from steelyard.process import settle_process
settle_process()
import jax
jax.jit(lambda x: 2 * x)(1.0).block_until_ready()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "width"), [("", 512), ("--xla_cpu_prefer_vector_width=128", 128)])
def test_xla_compiles_for_wide_vectors_unless_told_otherwise(tmp_path, flags, width):
    environment = os.environ | {"XLA_FLAGS": f"{flags} --xla_dump_to={tmp_path}".strip(), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    options = [path.read_text() for path in tmp_path.glob("*.debug_options")]
    assert options
    assert all(f"xla_cpu_prefer_vector_width: {width}\n" in text for text in options)


def completed(monkeypatch, given):
    monkeypatch.setenv("XLA_FLAGS", given)
    return wide_vectors()["XLA_FLAGS"]


def test_flags_that_are_set_stay(monkeypatch):
    assert completed(monkeypatch, "--xla_dump_to=there") == f"--xla_dump_to=there {WIDE}"
    assert completed(monkeypatch, f"{WIDE[:-3]}256 --more") == f"{WIDE[:-3]}256 --more"


def test_a_version_that_was_not_tried_gets_no_flag(monkeypatch):
    monkeypatch.setattr(vectors, "version", lambda package: "1.0.2")
    assert completed(monkeypatch, "--more") == "--more"


def test_a_survey_worker_is_settled_as_a_command_is(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--more")
    environment = Share(cpus=2).environment
    assert environment["XLA_FLAGS"] == f"--more {WIDE}"
    assert environment.items() >= process_environment(2).items()
