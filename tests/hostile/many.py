"""Random damage by the hundred thousand: the mutator's inputs, many of them one after the other in one process.

The tests give each input a process of its own; here a child takes hundreds, and the next one goes on where a signal
ended it. Only commands read the files, as a user's would. From the root of the repository:

    cd tests && uv run python -m hostile.many OUT --first 0 --count 100000

OUT/log has a line of JSON for each input that was neither read nor refused in one line, and at the end the counts by
kind of file. `STEELYARD_HOSTILE_SEED=seed STEELYARD_HOSTILE_N=1 pytest tests/hostile -k damage` repeats one. The exit
code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from .mutator import KINDS, mutate
from .runner import LIMIT_BYTES, LIMIT_S, PROGRAMS, Outcome, _address_space, _import_commands
from .test_hostile import assert_plain, listing, refusal
from .valid import make_valid
from .writers import WRITERS

AT_ONCE = 300
"""Inputs of one child: what libraries never give back is bounded."""
EXPECTED = ("out.zarr", "registry")
"""What a command may leave where the damage does no harm."""


def main() -> None:
    """Damage, run and count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    wanted = parser.parse_args()
    out = wanted.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "HOME": str(out), "XDG_CACHE_HOME": str(out)}
    valid = out / "valid"
    if not valid.exists():
        with TemporaryDirectory() as scratch:
            make_valid(valid, WRITERS.ms_writer(Path(scratch)), WRITERS.uvfits_writer(Path(scratch)))
    _import_commands()
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    before = listing(valid)
    counts: Counter[str] = Counter()
    with (out / "log").open("a") as log:
        for seed, verdict in _verdicts(wanted.first, wanted.first + wanted.count, out):
            kind = KINDS[seed % len(KINDS)].name
            short = verdict if verdict in ("read", "refused") else "FAILED"
            counts[f"{kind}: {short}"] += 1
            if short == "FAILED":
                print(json.dumps({"seed": seed, "kind": kind, "verdict": verdict}), file=log, flush=True)
            if seed % 100 == 0:
                print(json.dumps({"done": seed - wanted.first}), file=log, flush=True)
        if listing(valid) != before:
            counts["valid files: FAILED"] += 1
        print(json.dumps(counts, indent=1), file=log, flush=True)
    sys.exit(any(name.endswith("FAILED") for name in counts))


def _verdicts(first: int, end: int, out: Path) -> Iterator[tuple[int, str]]:
    """Yield each seed with how its input ended."""
    while first < end:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as answers:
                _take(range(first, min(end, first + AT_ONCE)), out, answers)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answers:
            for line in answers:
                seed, verdict = json.loads(line)
                yield seed, verdict
                first = seed + 1
        _, status, _ = os.wait4(child, 0)
        if status:
            yield first, f"ended by {status} (signal {os.WTERMSIG(status)})"
            first += 1


def _take(seeds: range, out: Path, answers) -> None:
    limit = _address_space() + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    said = [out / f"{name}-{os.getpid()}" for name in ("stdout", "stderr")]
    for number, path in zip((1, 2), said, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    try:
        for seed in seeds:
            print(json.dumps([seed, _verdict(seed, out, said)]), file=answers, flush=True)
    except BaseException:
        traceback.print_exc(file=answers)
        answers.flush()
        os._exit(1)
    finally:
        for path in said:
            path.unlink()


def _verdict(seed: int, out: Path, said: list[Path]) -> str:
    folder = out / f"case-{os.getpid()}" / "place"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    argv = mutate(seed, folder, out / "valid")
    before = listing(folder.parent)
    os.chdir(folder)
    for path in said:
        os.truncate(path, 0)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    code = _code(argv)
    signal.setitimer(signal.ITIMER_PROF, 0)
    outcome = Outcome(code, 0, *(path.read_bytes().decode() for path in said), 0.0)
    after = listing(folder.parent)
    os.chdir(out)
    shutil.rmtree(folder.parent, ignore_errors=True)
    new = sorted(name for name in after.keys() - before.keys() if name.split("/")[1] not in EXPECTED)
    try:
        assert all(after.get(name) == facts for name, facts in before.items() if name in after), "changed a file"
        assert not new, f"wrote {new[:3]}"
        if code == 0:
            assert_plain(outcome)
            return "read"
        refusal(outcome)
        assert after == before, f"left {sorted(after.keys() ^ before.keys())[:3]}"
        return "refused"
    except AssertionError as error:
        return f"{argv}: {error}"


def _code(argv: list[str]) -> int:
    """Run a command line as its entry point would; return its exit code."""
    code: object = 1
    try:
        import_module(PROGRAMS[argv[0]]).app(args=argv[1:], prog_name=argv[0])
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return code if isinstance(code, int) else 0 if code is None else 1


if __name__ == "__main__":
    main()
