"""Fuzz the readers in process, guided by coverage: `atheris` mutates valid files, and every refusal must be foreseen.

It is no part of the tests, for it needs `atheris` and as much time as it is given. From the root of the repository:

    cd tests && uv run --with atheris python -m hostile.fuzz OUT --seconds 3600 --jobs 2

The seconds are shared out among the targets (`--only galaxy_toml,uvfits` takes a few). A finding is an exception that
a command would call unforeseen, 10 s of CPU, 2 GiB of memory, or the end of the process. OUT/NAME/findings holds the
input of each, once for each place in the code, and what was raised; OUT/NAME/corpus goes on from run to run. The exit
code is 1 if there are findings. What was found is mended, and becomes a case of this folder's catalogue.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from .case import take
from .fuzz_targets import TARGETS, Target

LIMIT_S = 10
LIMIT_BYTES = 2 * 2**30
HANG_S = 60
"""Wall-clock limit after which libFuzzer ends the process: a loop that never returns to Python."""
LONGEST = 2**16
INSTRUMENTED = ["steelyard_schemas", "vis_gridder", "steelyard", "nuker_surrogate", "tomllib"]
"""Whole packages: atheris takes no parts of one. Of astropy and Zarr it would make the start minutes long."""
COMPILED = ["accumulate", "baselines", "cells", "noise", "readers.stokes", "spectral.averaging", "spectral.continuum"]
COMPILED = [f"vis_gridder.{name}" for name in [*COMPILED, "unmeasured"]]
"""By numba, which cannot compile what is instrumented."""
WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{2,20}")
EDGES = (b"-1", b"0", b"1e999", b"nan", b"9223372036854775808", b"99999999999", b"null", b"[[[[", b"'", b"\x00")


def main() -> None:
    """Fuzz all targets, or be the process that fuzzes one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0 * len(TARGETS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default=",".join(TARGETS))
    parser.add_argument("--target", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    out = wanted.out.resolve()
    if wanted.target:
        _fuzz(wanted.target, out, wanted.seconds)
        return
    _make_seeds(out / "seeds")
    names = wanted.only.split(",")
    share = wanted.seconds / len(names)
    with ThreadPoolExecutor(wanted.jobs) as pool:
        facts = list(pool.map(lambda name: _drive(name, out, share), names))
    for one in facts:
        print(json.dumps(one), flush=True)
    sys.exit(any(one["findings"] for one in facts))


def _make_seeds(folder: Path) -> None:
    """Write the valid files, and those that only the fuzzer uses."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from .valid import make_valid
    from .writers import WRITERS

    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        make_valid(folder, WRITERS.ms_writer(Path(scratch)), WRITERS.uvfits_writer(Path(scratch)))
    galaxy = '[[galaxy]]\nname = "{0}"\ndistance = {{ mpc = 10.0 }}\ndata = {{ path = "{0}.zarr" }}\nsigma = 2.3\n'
    (folder / "sample.toml").write_text('[defaults]\nkind = "galaxy"\n' + galaxy.format("a") + galaxy.format("b"))
    columns = {"name": ["A", "B"], "data.path": ["a.zarr", "b.zarr"], "distance.mpc": [10.0, 12.0]}
    parquet.write_table(pa.table(columns), folder / "sample.parquet")
    stage = {"first/done": np.array(3), "first/0": np.ones(4)}
    np.savez(folder / "training.npz", identity=np.array("x"), **stage)


def _drive(name: str, out: Path, seconds: float) -> dict:
    """Fuzz one target in processes of its own, the next one where one ends, and count."""
    place = out / name
    (place / "findings").mkdir(parents=True, exist_ok=True)
    end, ends, executed, cpu_s = time.monotonic() + seconds, 0, 0, 0.0
    while (left := end - time.monotonic()) > 1:
        argv = [sys.executable, "-m", "hostile.fuzz", str(out), "--target", name, "--seconds", str(left)]
        with (place / "log").open("ab") as log:
            code = subprocess.run(argv, stdout=log, stderr=log, check=False, cwd=Path(__file__).parents[1]).returncode
        facts = json.loads((place / "count.json").read_text()) if (place / "count.json").exists() else {}
        executed, cpu_s = executed + facts.get("executed", 0), cpu_s + facts.get("cpu_s", 0.0)
        (place / "count.json").unlink(missing_ok=True)
        if code == 0 or (code and not facts):
            break
        ends += 1
    found = sorted(path.stem for path in (place / "findings").glob("*.txt"))
    found += sorted(path.name for path in place.glob("*-*") if path.is_file())  # libFuzzer's own
    facts = {"target": name, "executed": executed, "cpu_s": round(cpu_s), "ends": ends, "findings": found}
    (place / "facts.json").write_text(json.dumps(facts))  # of a run that is broken off as well
    return facts


def _fuzz(name: str, out: Path, seconds: float) -> None:
    import atheris

    os.environ |= {"JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    warnings.simplefilter("ignore")
    target, place = TARGETS[name], out / name
    with TemporaryDirectory(prefix="fuzz-") as scratch:
        folder = Path(scratch)
        seed = _lay_out(target, out / "seeds", folder)
        with atheris.instrument_imports(INSTRUMENTED, COMPILED, enable_loader_override=False):
            (folder / target.place).write_bytes(target.wrap(seed))
            target.read(folder)  # which imports what the reader needs, and that only
        corpus = place / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / "seed").write_bytes(seed)
        words = sorted({*WORD.findall(seed)[:300], *EDGES})
        (place / "words").write_text("".join(f'"{_quoted(word)}"\n' for word in words))
        _limit_memory()
        argv = [
            *("fuzz", str(corpus), f"-max_total_time={max(1, int(seconds))}", f"-dict={place / 'words'}"),
            *(f"-timeout={HANG_S}", "-rss_limit_mb=0", f"-artifact_prefix={place}/", "-verbosity=0"),
            f"-max_len={max(LONGEST, 2 * len(seed))}",
        ]
        atheris.Setup(argv, _Once(target, folder, place))
        atheris.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _lay_out(target: Target, valid: Path, folder: Path) -> bytes:
    """Copy what a target needs; return the bytes to begin with."""
    for name in target.needs:
        take(folder, valid, name)
    place = folder / target.place
    return target.seed((place if place.exists() else folder / target.needs[0]).read_bytes())


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class _Once:
    """One execution: write the input, read it, keep what is a finding."""

    def __init__(self, target: Target, folder: Path, place: Path) -> None:
        self.target, self.folder, self.place = target, folder, place
        self.file = folder / target.place
        self.executed, self.written = 0, 0.0

    def __call__(self, data: bytes) -> None:
        """Execute."""
        self.file.write_bytes(self.target.wrap(data))
        self.executed += 1
        started = time.process_time()
        try:
            self.target.read(self.folder)
        except Exception as error:
            if _is_finding(error):
                self._keep(data, error)
        took = time.process_time() - started
        if took > LIMIT_S:
            self._keep(data, TimeoutError(f"took {took:.0f} s"))
        if time.monotonic() - self.written > 1:
            self.written = time.monotonic()
            facts = {"executed": self.executed, "cpu_s": time.process_time()}
            (self.place / "count.json").write_text(json.dumps(facts))

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
        name = hashlib.sha256(f"{type(error).__name__} {where}".encode()).hexdigest()[:12]
        note = self.place / "findings" / f"{name}.txt"
        if not note.exists():
            note.write_text("".join(traceback.format_exception(error)))
            note.with_suffix(".bin").write_bytes(data)


def _is_finding(error: Exception) -> bool:
    """Tell whether a command would call an exception unforeseen, or ran out of memory."""
    from steelyard_schemas.terminal import error_line

    line = error_line(error)
    return "unforeseen" in line or isinstance(error, MemoryError) or line.startswith("out of memory")


if __name__ == "__main__":
    main()
