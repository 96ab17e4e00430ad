"""The length of a FITS header, looked at before a library takes all of it into memory."""

from __future__ import annotations

from pathlib import Path

from steelyard_schemas import ContractError

from vis_gridder.readers.text_lines import unpacked

__all__ = ["check_header"]

MOST_BYTES = 8 * 2**20
"""A hundred thousand cards; gzip makes gigabytes of them few bytes."""
BLOCK_BYTES, CARD_BYTES = 2880, 80
END = b"END".ljust(CARD_BYTES)


def check_header(path: Path) -> None:
    """Raise ContractError if the first header of a FITS file, gzipped or not, does not end before too long."""
    with unpacked(path) as file:
        for _ in range(MOST_BYTES // BLOCK_BYTES):
            block = file.read(BLOCK_BYTES)
            if len(block) < BLOCK_BYTES or any(
                block[at : at + CARD_BYTES] == END for at in range(0, BLOCK_BYTES, CARD_BYTES)
            ):
                return  # a truncated one is for the reader to refuse
    raise ContractError(path, f"has a FITS header of more than {MOST_BYTES:,} bytes; copy or export it again")
