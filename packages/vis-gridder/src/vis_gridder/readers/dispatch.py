"""Choice of the reader by the content of a file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Literal

from steelyard_schemas import ContractError, Store, Visibilities, is_store, open_file

from vis_gridder.readers.common.choose import Choice, Choices
from vis_gridder.readers.common.fits_header import check_header
from vis_gridder.readers.common.fits_image import is_image_cube
from vis_gridder.readers.measurement_set.columns import DataColumn
from vis_gridder.readers.own_store import open_own_store
from vis_gridder.readers.text.table import is_text_table, open_text_table
from vis_gridder.readers.viscube.grid import is_viscube_grid
from vis_gridder.stream.source import Source, collect
from vis_gridder.stream.unmeasured import measured_only

__all__ = ["Format", "detect_format", "open_visibilities", "read_visibilities"]

Format = Literal["measurement_set", "uvfits", "image", "npz", "text", "store"]
Progress = Callable[[int, int], None]

OPTIONS = {
    "measurement_set": ("field", "spw", "scan", "observation", "column"),
    "uvfits": ("field", "spw", "scan"),
    "text": ("spw",),
    "npz": (),
    "image": (),
    "store": (),
}
"""Options of selection for each format."""
PEEK_BYTES = 2**20
"""A block of bzip2 unpacks as a whole, and is 900 kB at most."""
MOST_DICTIONARY = 2**28
"""Bytes that xz may take to unpack the first block."""


def detect_format(path: str | Path) -> Format:
    """Return the format of `path` from its content, whatever its name.

    Raises:
        ContractError: no such path, an archive that must be unpacked, or nothing that is known here.

    """
    path = Path(path)
    if not path.exists():
        raise ContractError(path, "does not exist")
    return _detect_folder(path) if path.is_dir() else _detect_file(path)


def _detect_folder(path: Path) -> Format:
    if is_store(path):
        return "store"
    info = path / "table.info"
    if info.is_file() and "Measurement Set" in info.read_text(errors="replace"):
        return "measurement_set"
    if (path / "table.dat").is_file():
        raise ContractError(path, "is a CASA table but not a Measurement Set; give the top folder of the .ms")
    raise ContractError(path, "is a folder but neither a Measurement Set nor a Visibilities store")


def _detect_file(path: Path) -> Format:
    try:
        with open_file(path) as file:
            if _is_archive(file):
                advice = f"unpack it first (tar -xf {path.name}) and give what is inside"
                raise ContractError(path, f"is an archive; {advice}")
            file.seek(0)
            magic = file.read(4)
            if magic[:2] == b"\x1f\x8b":
                file.seek(0)
                magic = gzip.GzipFile(fileobj=file).read(4)
            if magic == b"SIMP":
                check_header(path)
    # gzip passes on what zlib raises on damaged bytes.
    except (OSError, EOFError, zlib.error) as error:
        raise ContractError(path, f"cannot be read ({error})") from error
    if magic == b"SIMP":
        return "image" if is_image_cube(path) else "uvfits"
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (OSError, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise ContractError(path, f"is a damaged .npz ({error}); write it again") from error
        if any(name.endswith(".npy") for name in names):
            return "npz"
        raise ContractError(path, "is a zip archive without NumPy arrays; unpack it first and give what is inside")
    if is_text_table(path):
        return "text"
    raise ContractError(path, "is not a Measurement Set, UVFITS, viscube .npz, text table or Visibilities store")


def _is_archive(file: BufferedReader) -> bool:
    """Return whether, judged by its first block, packed or not, a file is a tar archive.

    Not by `tarfile.is_tarfile`, which reads as much as that block says that a member's name is long.
    """
    head = file.read(PEEK_BYTES)
    unpackers: tuple[Callable[[bytes], bytes], ...] = (
        bytes,
        lambda packed: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, tarfile.BLOCKSIZE),
        lambda packed: bz2.BZ2Decompressor().decompress(packed, tarfile.BLOCKSIZE),
        lambda packed: lzma.LZMADecompressor(memlimit=MOST_DICTIONARY).decompress(packed, tarfile.BLOCKSIZE),
    )
    for unpack in unpackers:
        try:
            tarfile.TarInfo.frombuf(unpack(head)[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
        except (tarfile.HeaderError, OSError, EOFError, zlib.error, lzma.LZMAError):
            continue
        return True
    return False


def open_visibilities(
    path: str | Path,
    *,
    field: Choices = None,
    spw: Choices = None,
    scan: str | int | None = None,
    observation: Choice = None,
    column: DataColumn | None = None,
    allow_mixed_widths: bool = False,
) -> list[Source]:
    """Open Stokes I visibilities as streams: a Measurement Set, UVFITS, viscube `.npz`, text or our own store.

    Parallel-hand correlations are averaged with their weights, flagged samples get weight 0, autocorrelations
    are dropped, channels ascend in frequency, u, v, w are in metres; samples that no receiver measures are flagged
    (`measured_only`); what was done is in `history`. Memory is that
    of a block, except for `.npz` and text, which are read whole. A file may be gzipped if it is UVFITS or text.

    Args:
        path: the file or folder; its format is told from its content.
        field: name or number of the field (source), needed where the file holds several. In a Measurement Set also
            several ("0,3", a sequence) or "all", whose directions must agree within a tenth of the beam.
        spw: spectral windows (IFs): name, number, several of them (a sequence, or "0,2"), or "all"; needed where
            the file holds several.
        scan: numbers and ranges of scans, "3,5~9"; all if None. In UVFITS they are counted by pauses, from 1.
        observation: number of the observation in a Measurement Set made of several; all if None.
        column: "data" or "corrected" (CORRECTED_DATA) of a Measurement Set; without a wish CORRECTED_DATA where
            all rows have it, DATA where none has.
        allow_mixed_widths: do not refuse windows whose channels differ in width, for a caller that regrids them.

    Returns:
        A stream for each spectral window, in the order asked for.

    Raises:
        ContractError: the data cannot be read or used; the message says where, what, and what to do. Faults of the
            samples show as the blocks are read.

    """
    found = _open(Path(path), field, spw, scan, observation, column, allow_mixed_widths)
    # One place for all formats, whatever else their readers do.
    return [measured_only(source) for source in found]


def _open(
    path: Path,
    field: Choices,
    spw: Choices,
    scan: str | int | None,
    observation: Choice,
    column: DataColumn | None,
    allow_mixed_widths: bool,
) -> list[Source]:
    kind = detect_format(path)
    asked = {"field": field, "spw": spw, "scan": scan, "observation": observation, "column": column}
    if refused := [name for name, wish in asked.items() if wish is not None and name not in OPTIONS[kind]]:
        raise ContractError(path, f"has nothing to choose by {', '.join(refused)}; leave {' and '.join(refused)} out")
    if kind == "measurement_set":
        from vis_gridder.readers.measurement_set.open import open_measurement_set

        return open_measurement_set(
            path,
            field=field,
            spw=spw,
            scan=scan,
            observation=observation,
            column=column,
            allow_mixed_widths=allow_mixed_widths,
        )
    if kind == "image":
        raise ContractError(
            path,
            "is an image cube, not visibilities: grid it alone (vis-gridder grid), or name it as [data] path in a "
            "galaxy file, without [data.grid]",
        )
    if kind == "uvfits":
        from vis_gridder.readers.uvfits.open import open_uvfits

        if not isinstance(field, str | int | None):
            raise ContractError(path, "is UVFITS, of which one field can be read at a time; give one name or number")
        return open_uvfits(path, field=field, spw=spw, scan=scan, allow_mixed_widths=allow_mixed_widths)
    if kind == "npz":
        from vis_gridder.readers.viscube.npz import open_viscube

        if is_viscube_grid(path):
            raise ContractError(
                path, "holds gridded visibilities: name it as [data] path in a galaxy file, without [data.grid]"
            )
        return [open_viscube(path)]
    if kind == "text":
        return open_text_table(path, spw=spw, allow_mixed_widths=allow_mixed_widths)
    return [open_own_store(path)]


def read_visibilities(
    path: str | Path,
    *,
    field: Choices = None,
    spw: Choices = None,
    scan: str | int | None = None,
    observation: Choice = None,
    column: DataColumn | None = None,
    progress: Progress | None = None,
) -> Store[Visibilities]:
    """Read one field and one spectral window into memory; for the options see `open_visibilities`.

    Args:
        path: the file or folder.
        field: name or number, or several.
        spw: name or number of one spectral window.
        scan: numbers and ranges.
        observation: number.
        column: "data" or "corrected".
        progress: called with rows done and rows in all.

    Raises:
        ContractError: the data cannot be read or used, or several spectral windows are asked for.

    """
    found = open_visibilities(
        path, field=field, spw=spw, scan=scan, observation=observation, column=column, allow_mixed_widths=True
    )
    if len(found) > 1:
        raise ContractError(path, f"holds several that fit spw={spw}, choose one by spw=, or grid them together")
    return collect(found[0], progress)
