"""The length of a FITS header, looked at before a library takes all of it into memory."""

from __future__ import annotations

import re
from pathlib import Path

from steelyard_schemas import ContractError

from vis_gridder.readers.common.text_lines import unpacked

__all__ = ["check_header"]

MOST_BYTES = 8 * 2**20
"""A hundred thousand cards; gzip makes gigabytes of them few bytes."""
BLOCK_BYTES, CARD_BYTES = 2880, 80
NAXIS = re.compile(rb"NAXIS   = *(\d+)")
MOST_AXES = 999
"""Limit of the FITS standard."""
END = b"END".ljust(CARD_BYTES)


def check_header(path: Path) -> None:
    """Raise ContractError if the first header of a FITS file, gzipped or not, has no end or axes without number."""
    with unpacked(path) as file:
        for number in range(MOST_BYTES // BLOCK_BYTES):
            block = file.read(BLOCK_BYTES)
            # astropy looks for the length of each, however many are said to be there.
            axes = NAXIS.search(block) if number == 0 else None
            if axes and int(axes[1]) > MOST_AXES:
                raise ContractError(path, f"has a FITS header of more than {MOST_AXES} axes; copy or export it again")
            if len(block) < BLOCK_BYTES or any(
                block[at : at + CARD_BYTES] == END for at in range(0, BLOCK_BYTES, CARD_BYTES)
            ):
                return  # a truncated one is for the reader to refuse
    raise ContractError(path, f"has a FITS header of more than {MOST_BYTES:,} bytes; copy or export it again")
