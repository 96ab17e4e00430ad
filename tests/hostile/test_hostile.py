"""Whatever is in a file, a command ends soon with one line of error, and leaves everything as it was."""

from __future__ import annotations

import os
import random
import re
import shutil
import stat
from pathlib import Path

import pytest

from .generator import Case, catalogue
from .mutator import mutate

SEED = int(os.environ.get("STEELYARD_HOSTILE_SEED") or random.SystemRandom().randrange(10**9))
N_MUTATIONS = int(os.environ.get("STEELYARD_HOSTILE_N") or 15)
"""One of each kind; another seed at each run."""


def _label(case: Case) -> str:
    return f"{case.door} {re.sub(r'[^A-Za-z0-9]+', '_', case.name)[:70]}"


CASES = catalogue()


def listing(top: Path) -> dict[str, tuple]:
    """Return what lies below a folder, by name: kind, size, time of change and target of links."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(folder, name)
            facts = path.lstat()
            target = os.readlink(path) if stat.S_ISLNK(facts.st_mode) else ""
            size = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_size
            when = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_mtime_ns
            found[str(path.relative_to(top))] = (stat.S_IFMT(facts.st_mode), size, when, target)
    return {name: facts for name, facts in found.items() if name.split("/")[0] not in ("cache", "out")}


def refusal(outcome) -> str:
    """Return the line with which a command refused its input, after a check that it did so well."""
    told = f"code {outcome.code}, signal {outcome.signal}, {outcome.cpu_s:.1f} s\n{outcome.stdout}\n{outcome.stderr}"
    assert outcome.code in (1, 2), told
    lines = outcome.stderr.splitlines()
    assert [line.startswith("error: ") for line in lines].count(True) == 1, told
    assert lines[-1].startswith("error: "), told
    assert_plain(outcome)
    return lines[-1]


def assert_plain(outcome) -> None:
    """Insist that nothing printed commands a terminal or is meant for programmers."""
    for text in (outcome.stdout, outcome.stderr):
        assert "Traceback" not in text, text
        assert "unforeseen" not in text, text
        assert all(c.isprintable() or c == "\n" for c in text), repr(text)


@pytest.fixture
def place(scratch, valid):
    """An empty folder to work in, beside which nothing may change."""
    folder = scratch / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_there_are_many_of_every_door():
    assert len(CASES) >= 300
    assert len({(case.door, case.name) for case in CASES}) == len(CASES)


def _sampled(number: int, case: Case) -> object:
    """Return a case as a parameter of a test; fifteen in sixteen run with the slow tests."""
    return pytest.param(case, id=_label(case), marks=() if number % 16 == 0 else pytest.mark.slow)


@pytest.mark.parametrize("case", [_sampled(number, case) for number, case in enumerate(CASES)])
def test_refused(case, server, scratch, valid, place):
    argv = case.build(place, valid)
    beside, before = sorted(os.listdir(scratch.parent)), listing(scratch)
    line = refusal(server.run(argv, place))
    assert len(line) < 5000, line
    after = listing(scratch)
    assert sorted(after.keys() ^ before.keys()) == []
    assert after == before
    assert sorted(os.listdir(scratch.parent)) == beside


@pytest.mark.parametrize("number", range(N_MUTATIONS))
def test_random_damage(number, server, scratch, valid, place):
    """Damage is refused as well, or does not matter; `STEELYARD_HOSTILE_SEED=...` repeats a run."""
    argv = mutate(SEED + number, place, valid)
    told = f"STEELYARD_HOSTILE_SEED={SEED + number} STEELYARD_HOSTILE_N=1: {argv}"
    print(told)  # shown where the test fails
    before = listing(scratch)
    outcome = server.run(argv, place)
    after = listing(scratch)
    if outcome.code == 0:
        assert_plain(outcome)
        new = {name for name in after.keys() - before.keys() if name.split("/")[1] not in ("out.zarr", "registry")}
        assert not new, told
    else:
        assert outcome.code in (1, 2), told
        refusal(outcome)
        assert after == before, told
    assert all(after[name] == facts for name, facts in before.items() if name in after), told
