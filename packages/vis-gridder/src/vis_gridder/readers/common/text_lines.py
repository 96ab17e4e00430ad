"""Text files from outside, gzipped or not: refused where a line, or the whole, is more than memory holds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import TextIO

from steelyard_schemas import ContractError, open_file

__all__ = ["count_lines", "first_lines", "open_text", "unpacked"]

LONGEST_LINE = 2**20
"""Characters; a few bytes of a gzipped file may stand for a line of gigabytes."""
GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file, gzipped or not."""
    with unpacked(path) as file:
        yield TextIOWrapper(file, encoding="utf-8")


@contextmanager
def unpacked(path: Path) -> Iterator[gzip.GzipFile | BufferedReader]:
    """Open a file as bytes, unpacked where it is gzipped."""
    with open_file(path) as raw:
        packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        yield gzip.GzipFile(fileobj=raw) if packed else raw


def first_lines(path: Path, file: TextIO, most: int) -> Iterator[str]:
    """Yield the first lines of a file.

    Raises:
        ContractError: one is too long for a table.

    """
    for _ in range(most):
        line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise _too_long(path)
        if not line:
            return
        yield line


def count_lines(path: Path) -> int:
    """Return the number of lines of a file, which is read through.

    Raises:
        ContractError: one is too long for a table.

    """
    n_lines = 0
    with unpacked(path) as file:
        while piece := file.read(LONGEST_LINE):
            n_found = piece.count(b"\n")
            if not n_found and len(piece) == LONGEST_LINE:
                raise _too_long(path)
            n_lines += n_found
    return n_lines + 1


def _too_long(path: Path) -> ContractError:
    return ContractError(path, f"has a line of more than {LONGEST_LINE:,} characters; a table has one row in each")
