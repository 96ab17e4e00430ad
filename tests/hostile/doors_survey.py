"""Tables of samples, plans of surveys, records of jobs, fits."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pyarrow as pa
import pyarrow.parquet as parquet

from .case import Build, Case, change, cut, edit_json, flip, take

HEAD = b"name,data.path,distance.mpc\n"
SAMPLES = {
    "empty": b"",
    "a header alone": HEAD,
    "a line of a megabyte": HEAD + b"x" * 2**20 + b"\n",
    "a cell of a megabyte": HEAD + b'"' + b"x" * 2**20 + b'",a,1\n',
    "too many cells": HEAD + b"a,b,1,2,3,4\n",
    "zeros": bytes(4096),
    "no UTF-8": HEAD + b"\xff\xfe,a,1\n",
    "a name that commands": HEAD + b"\x1b[2J,a.zarr,1\n",
    "a header that commands": b"name,\x1b]0;owned\x07.x\nA,1\n",
    "a column twice": b"name,name\nA,B\n",
    "an unknown field": b"name,rocket.fuel\nA,1\n",
    "columns that exclude each other": b"name,data,data.path\nA,1,b\n",
    "a file above": b"galaxy_file\n../../../etc/passwd\n",
    "a file that is a device": b"galaxy_file\n/dev/zero\n",
    "an empty file name": b'galaxy_file,x\n" ",1\n',
    "distances of NaN": HEAD + b"A,a.zarr,nan\n",
    "two of one name": HEAD + b"A,a.zarr,10\nA,a.zarr,11\n",
    "an open quote": HEAD + b'"A,a.zarr,10\n',
    "a surrogate above": b"name,data.path,distance.mpc,stars.surrogate\nA,a,1,../../x\n",
    "columns nested to recursion": ("name," + "data." * 20_000 + "x\nA,1\n").encode(),
}
TOML_SAMPLES = {
    "galaxies of a number": b"galaxy = 1\n",
    "galaxies of numbers": b"galaxy = [1, 2, 3]\n",
    "galaxies of lists": b"galaxy = [[1], [2]]\n",
    "defaults of a list": b"defaults = []\ngalaxy = [{ name = 'A' }]\n",
    "something else": b"rocket = 1\n",
    "fields of wrong types": b"[[galaxy]]\nname = 1\ndata = 2\ndistance = 'x'\nline = []\n",
    "nested to recursion": b"galaxy = " + b"[" * 20_000,
    "no galaxies": b"galaxy = []\n",
}
RECORDS = {
    "empty": cut(0),
    "cut": cut(0.5),
    "a list": lambda content: b"[]",
    "nested": lambda content: b"[" * 100_000,
    "flipped": flip(0.1, 4),
    "another kind": lambda content: content.replace(b"job_record", b"survey_job"),
    "another status": lambda content: content.replace(b"not_converged", b"\\u001b[2J"),
    "infinite attempts": lambda content: content.replace(b'"attempts": 2', b'"attempts": 1e999'),
    "a time of Infinity": lambda content: content.replace(b"12.5", b"Infinity"),
}


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for name, content in SAMPLES.items():
        yield Case("survey", f"sample: {name}", _sample("hostile.csv", content))
    for name, content in TOML_SAMPLES.items():
        yield Case("survey", f"TOML sample: {name}", _sample("hostile.toml", content))
    for name, make in _tables().items():
        yield Case("survey", f"Parquet: {name}", _sample("hostile.parquet", make()))
    for name, how in RECORDS.items():
        yield Case("survey", f"record: {name}", _record(how))
    for name, spoil in _plans().items():
        if not name.startswith("an output"):  # of which the status says that it cannot be looked at
            yield Case("survey", f"plan: {name}", _folder(spoil, "status"))
        yield Case("survey", f"plan: {name}, reported", _folder(spoil, "report"))
    for name, spoil in _fits().items():
        yield Case("survey", f"fit: {name}", _fit(spoil))


def _sample(file: str, content: bytes) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        (folder / file).write_bytes(content)
        (folder / "defaults.toml").write_text('[line]\nname = "CO(2-1)"\nrest_frequency_hz = 230.538e9\n')
        return ["steelyard", "survey", "run", file, "--defaults", "defaults.toml", "--out", "out"]

    return build


def _tables() -> dict[str, Callable[[], bytes]]:
    def table(**columns: object) -> Callable[[], bytes]:
        def make() -> bytes:
            file = io.BytesIO()
            parquet.write_table(pa.table(columns), file)
            return file.getvalue()

        return make

    good = table(name=["A", "B"])
    return {
        "empty": lambda: b"",
        "a magic number alone": lambda: b"PAR1",
        "cut": lambda: cut(0.6)(good()),
        "flipped": lambda: flip(0.5, 16)(good()),
        "a huge footer": lambda: good()[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
        "no rows": table(name=pa.array([], pa.string())),
        "lists for names": table(name=[[1], [2]]),
        "bytes for names": table(name=[b"\xff", b"\xfe"]),
        "numbers for names": table(name=[1, 2]),
        "records for columns": table(name=["A"], extra=[{"a": 1}]),
    }


def _record(how: Callable[[bytes], bytes]) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        change(take(folder, valid, "job_record.json"), how)
        return ["steelyard", "validate", "job_record.json"]

    return build


def _plans() -> dict[str, Callable[[Path], object]]:
    def about(**changed: object) -> Callable[[Path], object]:
        return lambda folder: edit_json(folder / "survey.json", lambda document: document | changed)

    def planned(content: bytes) -> Callable[[Path], object]:
        def spoil(folder: Path) -> None:
            import hashlib

            (folder / "plan.msgpack").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            edit_json(folder / "survey.json", lambda document: document | {"plan_sha256": digest})

        return spoil

    return {
        "empty": lambda folder: change(folder / "plan.msgpack", cut(0)),
        "cut": lambda folder: change(folder / "plan.msgpack", cut(0.5)),
        "flipped": lambda folder: change(folder / "plan.msgpack", flip(0.5)),
        "missing": lambda folder: (folder / "plan.msgpack").unlink(),
        "something else": planned(msgpack.packb([1, 2, 3])),
        "a number": planned(msgpack.packb(7)),
        "nested to recursion": planned(b"\x91" * 100_000),
        "a claimed gigabyte": planned(b"\xc6\x3f\xff\xff\xff"),
        "an output above": planned(msgpack.packb(["id", "A", "../../outside", "", {}, b""])),
        "an output that commands": planned(msgpack.packb(["id", "A", "\x1b[2J", "", {}, b""])),
        "a folder of nothing": lambda folder: (folder / "survey.json").unlink(),
        "about a list": lambda folder: (folder / "survey.json").write_text("[]"),
        "about nothing": lambda folder: (folder / "survey.json").write_text(""),
        "of jobs of text": about(jobs="many"),
        "of another version": about(survey=[1]),
        "of a hash of a list": about(plan_sha256=[1]),
    }


def _folder(spoil: Callable[[Path], object], command: str) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        spoil(take(folder, valid, "survey"))
        return ["steelyard", "survey", command, "survey"]

    return build


def _fits() -> dict[str, Callable[[Path], object]]:
    return {
        "empty": lambda folder: None,
        "a posterior of nothing": lambda folder: (folder / "posterior.zarr").mkdir(),
        "a posterior of text": lambda folder: (folder / "posterior.zarr").write_text("x"),
        "a posterior of an array": lambda folder: (
            (folder / "posterior.zarr").mkdir(),
            (folder / "posterior.zarr" / "zarr.json").write_text("[]"),
        ),
    }


def _fit(spoil: Callable[[Path], object]) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        (folder / "fit").mkdir()
        spoil(folder / "fit")
        return ["steelyard", "report", "fit"]

    return build
