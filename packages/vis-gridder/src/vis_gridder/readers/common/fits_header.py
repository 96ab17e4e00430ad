"""The length of FITS headers, looked at before a library takes all of them into memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

from steelyard_schemas import ContractError

from vis_gridder.readers.common.text_lines import unpacked

__all__ = ["check_header"]

MOST_BYTES = 8 * 2**20
"""Limit on all headers together, a hundred thousand cards: gzip packs gigabytes of cards into few bytes."""
BLOCK_BYTES, CARD_BYTES = 2880, 80
MOST_AXES = 999
"""Limit of the FITS standard."""
FARTHEST = 2**62
SIZES = re.compile(rb"(NAXIS\d{0,3}|BITPIX|PCOUNT|GCOUNT|GROUPS) *= *([T\d-]+)")
END = b"END".ljust(CARD_BYTES)


def check_header(path: Path, *, extensions: bool = False) -> None:
    """Raise ContractError if a header of a FITS file, gzipped or not, has no end or axes without number.

    What is truncated or damaged otherwise is for the reader to refuse.

    Args:
        path: the file.
        extensions: look at the headers of all extensions, which takes a pass over a gzipped file. Otherwise only as
            far as tells an image from visibilities: past a primary header without data, but not past data.

    """
    with unpacked(path) as file:
        for cards in _headers(path, file):
            sizes = _sizes(cards)
            if not extensions and (sizes.get(b"NAXIS") or b"NAXIS" not in sizes):
                return


def _headers(path: Path, file: BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield the cards of one header after the other, passing over the data between them."""
    n_bytes = 0
    while True:
        cards: list[bytes] = []
        while END not in cards[-BLOCK_BYTES // CARD_BYTES :]:
            block = file.read(BLOCK_BYTES)
            n_bytes += len(block)
            if n_bytes > MOST_BYTES:
                raise ContractError(
                    path, f"has FITS headers of more than {MOST_BYTES:,} bytes; copy or export it again"
                )
            cards += [block[at : at + CARD_BYTES] for at in range(0, len(block), CARD_BYTES)]
            if len(cards) <= BLOCK_BYTES // CARD_BYTES and _sizes(cards).get(b"NAXIS", 0) > MOST_AXES:
                # astropy looks for the length of each, however many are said to be there.
                raise ContractError(path, f"has a FITS header of more than {MOST_AXES} axes; copy or export it again")
            if len(block) < BLOCK_BYTES:
                return
        yield cards
        length = _data_bytes(_sizes(cards))
        if length is None:
            return
        file.seek(file.tell() + length)


def _sizes(cards: list[bytes]) -> dict[bytes, int]:
    """Return the whole numbers that a header gives for its data, and GROUPS as 1 if it is T."""
    found: dict[bytes, int] = {}
    for card in cards:
        if match := SIZES.match(card):
            try:
                found.setdefault(match[1], 1 if match[2] == b"T" else int(match[2]))
            except ValueError:
                continue
    return found


def _data_bytes(sizes: dict[bytes, int]) -> int | None:
    """Return how many bytes of data follow a header, whole blocks (FITS standard, eqs. 1 to 4); None if unknown."""
    n_axes = sizes.get(b"NAXIS", 0)
    sides = [sizes.get(b"NAXIS%d" % (axis + 1), -1) for axis in range(n_axes)]
    if sizes.get(b"GROUPS") == 1 and sides[:1] == [0]:
        sides = sides[1:]
    numbers = [*sides, sizes.get(b"PCOUNT", 0), sizes.get(b"GCOUNT", 1)]
    if n_axes < 0 or min(numbers) < 0:
        return None
    n_values = numbers[-1] * (numbers[-2] + math.prod(sides)) if n_axes else 0
    length = -(-abs(sizes.get(b"BITPIX", 8)) * n_values // (8 * BLOCK_BYTES)) * BLOCK_BYTES
    return length if length < FARTHEST else None
