"""Damage on which casacore ends the process instead of raising, detected from the files beforehand."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from steelyard_schemas import ContractError, read_bytes

from vis_gridder.readers.measurement_set.touch import COLUMNS

__all__ = ["check_files"]

TABLE_DESCRIPTION = b"\x00\x00\x00\x09TableDesc\x00\x00\x00\x02"
TYPES = b"|".join(
    name.ljust(8)
    for name in (
        *(b"Bool", b"Char", b"uChar", b"Short", b"uShort", b"Int", b"uInt", b"Int64"),
        *(b"float", b"double", b"Complex", b"DComplex", b"String"),
    )
)
COLUMN_DESCRIPTION = re.compile(
    rb"\x00\x00\x00(?:\x19ScalarColumnDesc<(?:" + TYPES + rb")|\x18ArrayColumnDesc<(?:" + TYPES + rb")"
    rb"|\x16ScalarRecordColumnDesc)\x00\x00\x00"
)
"""Class and type of a column, the type padded to eight characters, as casacore's ColumnDesc writes them."""


def check_files(path: Path) -> None:
    """Check what lies in the folder, and that `table.dat` of each table describes as many columns as it announces.

    casacore aborts on the name of a column class that it does not know. What is not laid out as its TableDesc
    version 2 (all plain tables since 1996) is left to casacore.

    Raises:
        ContractError: there are fewer, or there is a pipe, a device, or a link that leads out of the folder.

    """
    _refuse_odd_files(path)
    for name in COLUMNS:
        file = path / name / "table.dat"
        if not file.is_file():
            continue
        content = read_bytes(file)
        announced = _announced_columns(content)
        found = len(COLUMN_DESCRIPTION.findall(content))
        if announced is not None and found < announced:
            raise ContractError(
                path,
                f"is a damaged Measurement Set ({found} of {announced} columns readable in "
                f"{file.relative_to(path)}); copy or export it again",
            )


def _refuse_odd_files(path: Path) -> None:
    """Refuse what casacore would wait for, or read without end; a multi-MS links to tables within itself."""
    top = path.resolve()
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            entry = Path(folder, name)
            target = Path(os.path.realpath(entry)) if entry.is_symlink() else entry
            if not (target.is_file() or target.is_dir()) or (target != entry and not target.is_relative_to(top)):
                name = entry.relative_to(path).as_posix()
                what = f"holds {name!r}, which is a pipe, a device or a link to elsewhere"
                raise ContractError(path, f"{what}; copy it with `cp -rL`, or export it again")


def _announced_columns(content: bytes) -> int | None:
    """Return the number of columns in a table description, or None where it is not laid out as expected.

    AipsIO writes big-endian; a string is its length and its bytes, an object its length over all, its type, its
    version and its parts. Those of TableDesc are name, version and comment, two records of keywords, the columns.
    """
    at = content.find(TABLE_DESCRIPTION)
    if at < 0:
        return None
    at += len(TABLE_DESCRIPTION)
    try:
        for _ in range(3):
            at += 4 + struct.unpack_from(">I", content, at)[0]
        for _ in range(2):
            if content[at + 4 : at + 19] != b"\x00\x00\x00\x0bTableRecord":
                return None
            at += struct.unpack_from(">I", content, at)[0]
        (announced,) = struct.unpack_from(">I", content, at)
    except struct.error:
        return None
    return int(announced)
