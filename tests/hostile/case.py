"""One hostile input, and how to change the valid file that it starts from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Build = Callable[[Path, Path], list[str]]
"""From an empty folder and the folder of valid files to a command line."""
Change = Callable[[bytes], bytes]


class Case(NamedTuple):
    """One hostile input."""

    door: str
    name: str
    build: Build


GRID = ["--cell-arcsec", "0.2", "--npix", "16", "--out", "out.zarr"]


def take(folder: Path, valid: Path, name: str) -> Path:
    """Copy a valid file or folder, and return the copy."""
    target = folder / name
    if (valid / name).is_dir():
        shutil.copytree(valid / name, target)
    else:
        shutil.copy(valid / name, target)
    return target


def change(path: Path, how: Change) -> None:
    """Replace the content of a file."""
    path.write_bytes(how(path.read_bytes()))


def cut(part: float) -> Change:
    """Return a change that keeps the first part of a file."""
    return lambda content: content[: int(part * len(content))]


def flip(part: float, n: int = 1) -> Change:
    """Return a change that inverts so many bytes, from a place on."""

    def flipped(content: bytes) -> bytes:
        start = int(part * len(content))
        return content[:start] + bytes(255 - byte for byte in content[start : start + n]) + content[start + n :]

    return flipped


def replace(old: str, new: str) -> Change:
    """Return a change of one text for another, which must be there."""

    def replaced(content: bytes) -> bytes:
        assert old.encode() in content, old
        return content.replace(old.encode(), new.encode(), 1)

    return replaced


def edit_json(path: Path, edit: Callable[[Any], object]) -> None:
    """Change a JSON document in place; what `edit` returns, unless None, takes its place."""
    document = json.loads(path.read_text())
    found = edit(document)
    path.write_text(json.dumps(document if found is None else found))


def card(key: str, value: str) -> Change:
    """Return a change of one card of the first header of a FITS file; the value is written as it is."""

    def changed(content: bytes) -> bytes:
        end = content.index(b"END" + b" " * 77)
        cards = [content[i : i + 80] for i in range(0, end, 80)]
        new = f"{key:8s}= {value:>20s}".encode().ljust(80)[:80]
        at = next((i for i, old in enumerate(cards) if old.startswith(f"{key:8s}=".encode())), None)
        if at is None:
            cards.append(new)
        else:
            cards[at] = new
        header = b"".join(cards) + b"END" + b" " * 77
        body = content[end + 80 + (-(end + 80) % 2880) :]
        return header + b" " * (-len(header) % 2880) + body

    return changed


def without(key: str) -> Change:
    """Return a change that leaves one card out of the first header of a FITS file."""
    return lambda content: content.replace(_card_of(content, key), b"COMMENT".ljust(80), 1)


def _card_of(content: bytes, key: str) -> bytes:
    at = content.index(f"{key:8s}=".encode())
    return content[at : at + 80]
