"""Help is shown, and a galaxy file checked, without the libraries that take seconds to load; Ctrl-C while they do."""

import json
import signal
import subprocess
import sys

import pytest

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


INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
module = sys.argv[1]
class AsIfByHand:
    def find_spec(name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, AsIfByHand)
sys.argv = ["steelyard", *sys.argv[2:]]
from steelyard.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("typer", "fit toy.toml"),
        ("jax", "fit toy.toml"),
        ("jax", "report ."),
        ("jax", "simulate toy.toml --like toy.zarr --noise-jy 1 -o new.zarr"),
        ("jax", "surrogate show"),
        ("jax", "surrogate train new"),
    ],
)
def test_ctrl_c_while_modules_load_ends_at_once_and_silently(module, command, workplace):
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, *command.split()], cwd=workplace, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
    assert not (workplace / "Toy-fit").exists()
