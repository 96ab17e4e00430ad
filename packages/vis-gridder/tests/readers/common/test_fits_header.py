"""Headers of FITS files are bounded, those of extensions too, and the way from one to the next is astropy's."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import ContractError
from vis_gridder import is_image_cube, open_visibilities
from vis_gridder.image_cube.fits.open import open_image_cube
from vis_gridder.readers.common import fits_header


def with_long_extension(path, packed):
    """Append an extension whose header is a hundred thousand cards long and has no end."""
    content = path.read_bytes() + b"XTENSION= 'IMAGE   '".ljust(80) + b"COMMENT x".ljust(80) * 110_000
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_of_an_extension_is_bounded(tmp_path, write_uvfits, packed):
    visibilities = with_long_extension(write_uvfits(np.ones((8, 1, 3, 2), complex), np.ones((8, 1, 3, 2))), packed)
    with pytest.raises(ContractError, match="has FITS headers of more than 8,388,608 bytes"):
        open_visibilities(visibilities)
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((3, 4, 4), np.float32)).writeto(image)
    with pytest.raises(ContractError, match="has FITS headers of more than"):
        open_image_cube(with_long_extension(image, packed))
    empty = tmp_path / "empty.fits"
    fits.PrimaryHDU().writeto(empty)
    assert not is_image_cube(with_long_extension(empty, packed)), "before astropy reads the header of the extension"


@pytest.mark.parametrize("packed", [False, True])
def test_data_are_passed_over_as_astropy_does(tmp_path, write_uvfits, packed):
    column = fits.Column("a", "PE()", array=np.array([np.ones(3), np.ones(2000)], dtype=object))
    hdus = fits.HDUList([
        fits.PrimaryHDU(np.zeros((3, 5, 7), np.int16)),
        fits.ImageHDU(np.zeros((2, 900))),
        fits.BinTableHDU.from_columns([column], name="HEAP"),
        fits.ImageHDU(),
    ])  # fmt: skip
    hdus.writeto(tmp_path / "many.fits")
    groups = write_uvfits(np.ones((8, 1, 3, 2), complex), np.ones((8, 1, 3, 2)))
    for path in (tmp_path / "many.fits", groups):
        with fits.open(path) as opened:
            expected = [dict(hdu.header)["BITPIX"] for hdu in opened]
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes()))
        with fits_header.unpacked(path) as file:
            found = [fits_header._sizes(cards)[b"BITPIX"] for cards in fits_header._headers(path, file)]
        assert found == expected
