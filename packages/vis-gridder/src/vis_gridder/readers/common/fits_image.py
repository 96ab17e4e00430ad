"""Recognition of FITS files that hold an image, as image cubes do and UVFITS does not."""

from __future__ import annotations

import gzip
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_gridder.readers.common.fits_header import check_header

if TYPE_CHECKING:  # astropy takes half a second to load; what is no FITS does without
    from astropy.io import fits

__all__ = ["image_hdu", "is_image_cube"]


def is_image_cube(path: str | Path) -> bool:
    """Return whether a file is FITS with an image in it (UVFITS has none), from its headers."""
    path = Path(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as raw:
            magic = raw.read(6)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                magic = packed.read(6)
        if magic != b"SIMPLE":
            return False
        from astropy.io import fits

        check_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as raw, fits.open(raw, memmap=False) as hdus:
                return image_hdu(hdus) is not None
    # A file that cannot be read is refused, with the reason, by the reader of its format.
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, zlib.error):
        return False


def image_hdu(hdus: fits.HDUList) -> Any:
    """Return the first image of two or more axes, None where there is none."""
    if hdus[0].header.get("GROUPS", False):
        return None  # UVFITS, without a walk through all of it
    for hdu in hdus:
        sides = [hdu.header.get(f"NAXIS{k + 1}", 0) for k in range(hdu.header.get("NAXIS", 0))]
        if hdu.is_image and len(sides) > 1 and min(sides) > 0:
            return hdu
    return None
