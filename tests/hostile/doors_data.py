"""Visibilities and images in formats of others: Measurement Sets, UVFITS, viscube, text, FITS images."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .case import GRID, Build, Case, Change, card, change, cut, flip, take, without

LINE = 128 * 2**20
"""Characters of one line, packed to a thousandth."""
TABLES = ("", "SPECTRAL_WINDOW", "POLARIZATION", "DATA_DESCRIPTION", "FIELD", "ANTENNA", "OBSERVATION")
UVFITS = {
    "NAXIS3 below zero": card("NAXIS3", "-4"),
    "NAXIS3 huge": card("NAXIS3", "1000000000"),
    "NAXIS4 huge": card("NAXIS4", "99999999999"),
    "NAXIS below zero": card("NAXIS", "-1"),
    "NAXIS of 999": card("NAXIS", "999"),
    "NAXIS of a billion": card("NAXIS", "1000000000"),
    "NAXIS2 of 1": card("NAXIS2", "1"),
    "GCOUNT huge": card("GCOUNT", "9999999999999"),
    "GCOUNT below zero": card("GCOUNT", "-5"),
    "GCOUNT of text": card("GCOUNT", "'many'"),
    "PCOUNT huge": card("PCOUNT", "100000"),
    "PCOUNT of a million": card("PCOUNT", "1000000000"),
    "PCOUNT of zero": card("PCOUNT", "0"),
    "BITPIX of 7": card("BITPIX", "7"),
    "BITPIX of text": card("BITPIX", "'x'"),
    "frequency of NaN": card("CRVAL4", "NAN"),
    "frequency of infinity": card("CRVAL4", "1E999"),
    "frequency of zero": card("CRVAL4", "0.0"),
    "width of zero": card("CDELT4", "0.0"),
    "no groups": card("GROUPS", "F"),
    "an unknown axis": card("CTYPE4", "'ODD'"),
    "no baseline": card("PTYPE6", "'ODD'"),
    "scale of 1e300": card("PSCAL1", "1E300"),
    "zero of NaN": card("PZERO4", "NAN"),
    "a truncated header": cut(0.05),
    "a truncated table": cut(0.9),
    "a truncated group": cut(0.4),
    "a header without end": lambda content: content.replace(b"END" + b" " * 77, b"XYZ" + b" " * 77, 1),
    "a control character in a header": card("OBJECT", "'\x1b[2J'"),
    "no antenna table": lambda content: content.replace(b"'AIPS AN '", b"'AIPS XX '"),
    "an antenna table of huge rows": lambda content: _second(content, "NAXIS1", "9999999999"),
    "an antenna table of huge length": lambda content: _second(content, "NAXIS2", "9999999999"),
    "an antenna table of rows below zero": lambda content: _second(content, "NAXIS2", "-1"),
    "an antenna table of 999999 columns": lambda content: _second(content, "TFIELDS", "999999"),
    "an antenna table of huge heap": lambda content: _second(content, "PCOUNT", "9999999999999"),
}
IMAGES = {
    "NAXIS1 below zero": card("NAXIS1", "-32"),
    "NAXIS1 huge": card("NAXIS1", "1000000000"),
    "NAXIS3 huge": card("NAXIS3", "1000000000"),
    "NAXIS of 999": card("NAXIS", "999"),
    "NAXIS of zero": card("NAXIS", "0"),
    "BITPIX of 7": card("BITPIX", "7"),
    "BITPIX of -64": card("BITPIX", "-64"),
    "a beam of 1e300": card("BMAJ", "1E300"),
    "a beam of NaN": card("BMAJ", "NAN"),
    "a beam below zero": card("BMIN", "-1.0"),
    "a beam of zero": card("BMAJ", "0.0"),
    "a beam of 1e-300": card("BMAJ", "1E-300"),
    "a beam of text": card("BMAJ", "'round'"),
    "pixels of zero": card("CDELT1", "0.0"),
    "pixels of 1e-300": card("CDELT1", "1E-300"),
    "pixels of 1e300": card("CDELT2", "1E300"),
    "pixels of NaN": card("CDELT2", "NAN"),
    "channels of zero width": card("CDELT3", "0.0"),
    "channels beyond light": card("CRVAL3", "1E30"),
    "a rest frequency of NaN": card("RESTFRQ", "NAN"),
    "a rest frequency below zero": card("RESTFRQ", "-1.0"),
    "no unit": without("BUNIT"),
    "an unknown unit": card("BUNIT", "'\x1b[31mJy'"),
    "an unknown projection": card("CTYPE1", "'RA---XYZ'"),
    "no spectral axis": card("CTYPE3", "'ODD'"),
    "a scale of 1e300": card("BSCALE", "1E300"),
    "a scale of NaN": card("BSCALE", "NAN"),
    "a centre of 1e300": card("CRPIX1", "1E300"),
    "a direction of NaN": card("CRVAL2", "NAN"),
    "a direction of infinity": card("CRVAL1", "1E999"),
    "a direction of text": card("CRVAL1", "'north'"),
    "a matrix of zeros": lambda content: card("PC1_1", "0.0")(card("PC2_2", "0.0")(content)),
    "a truncated header": cut(0.02),
    "a truncated image": cut(0.5),
    "all NaN": lambda content: content[:2880] + b"\xff" * (len(content) - 2880),
}
EMPTY_FITS = b"".join(
    card.ljust(80) for card in (b"SIMPLE  =                    T", b"BITPIX  = 8", b"NAXIS   = 0", b"END")
).ljust(2880) + b"XTENSION= 'IMAGE   '".ljust(80)
"""A primary header without data, and the first card of an extension."""
GZIPPED = {
    "a line of 128 MiB": lambda: _line(b"# u_m v_m re im weight frequency_hz\n", b"1", b""),
    "a line of 128 MiB for a head": lambda: _line(b"", b"# ", b"\n"),
    "a line of 128 MiB of columns": lambda: _line(b"# u_m v_m re im weight frequency_hz\n", b"1 ", b"\n"),
    "128 MiB of zeros": lambda: _line(b"", bytes(16), b""),
    "a FITS header of 128 MiB": lambda: _line(b"SIMPLE  =                    T".ljust(80), b"COMMENT".ljust(80), b""),
    "a FITS extension of 128 MiB of header": lambda: _line(EMPTY_FITS, b"COMMENT".ljust(80), b""),
    "a truncated stream": lambda: cut(0.5)(_line(b"", b"1 2 3 4 5 6\n", b"")),
    "damaged bytes": lambda: flip(0.5, 8)(gzip.compress(b"1 2 3 4 5 6\n" * 100)),
    "a magic number alone": lambda: b"\x1f\x8b",
}
TEXT = {
    "a binary": bytes(range(256)) * 16,
    "no numbers": b"# u_m v_m re im weight frequency_hz\n",
    "columns without number": b"# u_m v_m re im weight frequency_hz\n1 2 x 4 5 6\n" * 2,
    "too few columns": b"# u_m v_m re im weight frequency_hz\n1 2 3\n4 5 6\n",
    "not finite": b"# u_m v_m re im weight frequency_hz\nnan inf 1 1 1 2e11\n1 1 1 1 1 2.1e11\n",
    "a frequency of 1e400": b"# u_m v_m re im weight frequency_hz\n1 2 3 4 5 1e400\n2 3 4 5 6 1e300\n",
    "weights below zero": b"# u_m v_m re im weight frequency_hz channel_width_hz\n1 2 3 4 -5 2e11 1e6\n",
    "a window of 1e300": b"# u_m v_m re im weight frequency_hz spw\n1 2 3 4 5 2e11 1e300\n2 3 4 5 6 2e11 0\n",
    "a name that commands": b"# u_m v_m re im weight frequency_hz \x1b[2J\n1 2 3 4 5 2e11 1\n",
    "ten thousand columns": b"# u_m v_m re im weight\n" + b"1 " * 10_000 + b"\n",
    "brackets to recursion": b"# " + b"[" * 50_000 + b"\n1 2 3 4 5 6\n",
    "a script": b"#!/bin/sh\nrm -rf /\n",
}


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for table in TABLES:
        at, called = f"target.ms/{table}".rstrip("/"), table or "main table"
        yield _of("Measurement Set", f"{called} truncated", "target.ms", at + "/table.dat", cut(0.5))
        yield _of("Measurement Set", f"{called} empty", "target.ms", at + "/table.dat", cut(0))
        yield _of("Measurement Set", f"{called} flipped", "target.ms", at + "/table.dat", flip(0.0, 64))
        yield _of("Measurement Set", f"{called} without rows", "target.ms", at + "/table.f0", cut(0))
        if table:
            yield Case("Measurement Set", f"{table} missing", _missing(table))
    yield Case("Measurement Set", "information alone", _information)
    for name, how in UVFITS.items():
        yield _of("UVFITS", name, "target.uvfits", "target.uvfits", how)
    for name, how in IMAGES.items():
        yield _of("image", name, "image.fits", "image.fits", how, grid=["--out", "out.zarr"])
    for name, make in GZIPPED.items():
        yield Case("text", f"gzip: {name}", _made("hostile.gz", make))
    for name, content in TEXT.items():
        yield Case("text", name, _made("hostile.txt", lambda content=content: content))
    for name, make in _npz().items():
        yield Case("viscube", name, _made("hostile.npz", make))
    for part in (0.1, 0.5, 0.95):
        yield _of("viscube", f"truncated to {part}", "target.npz", "target.npz", cut(part))
        yield _of("viscube", f"flipped at {part}", "target.npz", "target.npz", flip(part, 16))


def _of(door: str, name: str, what: str, file: str, how: Change, grid: list[str] = GRID) -> Case:
    """Return a case of a valid file with one of its files changed: gridded or looked at, by its name's length."""

    def build(folder: Path, valid: Path) -> list[str]:
        take(folder, valid, what)
        change(folder / file, how)
        return ["vis-gridder", "grid", what, *grid] if len(name) % 2 else ["vis-gridder", "info", what]

    return Case(door, name, build)


def _missing(table: str) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        shutil.rmtree(take(folder, valid, "target.ms") / table)
        return ["vis-gridder", "grid", "target.ms", *GRID]

    return build


def _information(folder: Path, valid: Path) -> list[str]:
    (folder / "target.ms").mkdir()
    shutil.copy(valid / "target.ms" / "table.info", folder / "target.ms")
    return ["vis-gridder", "info", "target.ms"]


def _made(file: str, make: Callable[[], bytes]) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        (folder / file).write_bytes(make())
        return ["vis-gridder", "info", file]

    return build


def _second(content: bytes, key: str, value: str) -> bytes:
    """Change a card of the first extension."""
    at = content.index(b"XTENSION")
    return content[:at] + card(key, value)(content[at:])


def _line(head: bytes, piece: bytes, tail: bytes) -> bytes:
    """Return a gzipped line, head and tail around a piece that comes again and again."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(head)
        block = piece * (2**20 // len(piece))
        for _ in range(LINE // len(block)):
            file.write(block)
        file.write(tail)
    return packed.getvalue()


def _npz() -> dict[str, Callable[[], bytes]]:
    good = {"chan_freq_hz": 230e9 + 1e7 * np.arange(3), **{k: np.ones((3, 6)) for k in ("u", "v", "vis", "weight")}}

    def saved(**changed: np.ndarray) -> Callable[[], bytes]:
        def make() -> bytes:
            file = io.BytesIO()
            np.savez(file, **{**good, **changed})  # objects are pickled
            return file.getvalue()

        return make

    def claimed(shape: str, descr: str = "<f8") -> Callable[[], bytes]:
        def make() -> bytes:
            header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(118) + b"\n"
            member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
            return _zipped(saved()(), {"vis.npy": member})

        return make

    return {
        "pickled objects": saved(vis=np.array([print, None], object)),
        "pickled frequencies": saved(chan_freq_hz=np.array([{"a": 1}], object)),
        "text for numbers": saved(vis=np.full((3, 6), "x")),
        "dates for numbers": saved(u=np.full((3, 6), np.datetime64("2026-01-01"))),
        "records for numbers": saved(u=np.zeros((3, 6), [("a", float)])),
        "frequencies of NaN": saved(chan_freq_hz=np.full(3, np.nan)),
        "frequencies below zero": saved(chan_freq_hz=-230e9 - 1e7 * np.arange(3)),
        "frequencies of no axis": saved(chan_freq_hz=np.float64(1.0)),
        "no frequencies": saved(chan_freq_hz=np.zeros(0)),
        "no rows": saved(**{k: np.ones((3, 0)) for k in ("u", "v", "vis", "weight")}),
        "cubes for planes": saved(vis=np.ones((3, 6, 2))),
        "weights of infinity": saved(weight=np.full((3, 6), np.inf)),
        "baselines of 1e300": saved(u=np.full((3, 6), 1e300)),
        "a shape of 1e18": claimed("(1000000000, 1000000000)"),
        "a shape of 1e10": claimed("(3, 3333333333)"),
        "a shape below zero": claimed("(3, -6)"),
        "a shape of 1e40": claimed(f"({10**20}, {10**20})"),
        "a type of objects": claimed("(3, 6)", "|O"),
        "a type of nothing": claimed("(3, 6)", "|V0"),
        "a type of code": claimed("(3, 6)", "__import__"),
        "a foreign member": lambda: _zipped(saved()(), {"../outside.npy": b"owned", "u.npy": b"no array"}),
        "no arrays": lambda: _zipped(None, {"readme.txt": b"nothing"}),
        "an empty archive": lambda: _zipped(None, {}),
    }


def _zipped(archive: bytes | None, members: dict[str, bytes]) -> bytes:
    """Return a zip archive with some members replaced or added."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        if archive is not None:
            with zipfile.ZipFile(io.BytesIO(archive)) as old:
                for name in set(old.namelist()) - members.keys():
                    new.writestr(name, old.read(name))
        for name, content in members.items():
            new.writestr(name, content)
    return file.getvalue()
