"""Help is shown, and a galaxy file checked, without the libraries that take seconds to load."""

import json
import subprocess
import sys

HEAVY = ("astropy", "jax", "matplotlib", "numba", "numpy", "ray", "scipy", "zarr")
SCRIPT = """
import json, sys
from steelyard.commands.main import app
for argv in json.loads(sys.argv[1]):
    try:
        app(argv)
    except SystemExit:
        pass
print("LOADED", json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""
HELP = [
    *([command, "--help"] for command in ("fit", "grid", "info", "convert", "compare", "report", "validate", "demo")),
    *(["survey", command, "--help"] for command in ("run", "resume", "status", "report", "relation")),
    *(["surrogate", command, "--help"] for command in ("train", "evaluate", "publish", "list", "show")),
    ["simulate", "--help"],
    ["--help"],
    ["--version"],
]


def loaded(commands):
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    *pages, last = told.splitlines()
    return "\n".join(pages), set(json.loads(last.removeprefix("LOADED ")))


def test_help_loads_nothing_heavy():
    pages, heavy = loaded(HELP)
    assert pages.count("Usage:") == len(HELP) - 1
    assert heavy == set()


def test_a_galaxy_file_is_checked_without_what_reads_data(workplace):
    page, heavy = loaded([["validate", str(workplace / "toy.toml")]])
    assert "valid galaxy" in page
    assert heavy <= {"numpy"}
