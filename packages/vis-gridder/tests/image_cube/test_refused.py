"""Image cubes that cannot be used, damaged ones included, are refused in one line."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from steelyard_schemas import ContractError
from vis_gridder import is_image_cube, open_visibilities

from .support import (
    quietly,
)


@pytest.mark.parametrize(
    ("change", "options", "complaint"),
    [
        (None, {"remove": ("BMAJ", "BMIN", "BPA")}, "does not give its beam"),
        (None, {"BMAJ": 0.0, "BMIN": 0.0}, "has a beam of 0 x 0 arcsec"),
        (None, {"BMAJ": 3.0, "BMIN": 2.2}, "if it is in arcsec, divide BMAJ and BMIN by 3600"),
        (None, {"BMAJ": 0.8 / 3600, "BMIN": 0.8 / 3600}, "fewer than two across"),
        (None, {"BMAJ": 20 / 3600, "BMIN": 15 / 3600}, "less than four beams"),
        (None, {"remove": ("RESTFRQ",)}, "no rest frequency"),
        (None, {"BUNIT": "counts"}, r"is in 'counts' \(BUNIT\)"),
        (None, {"BUNIT": "Jy/beam km/s"}, "a moment map, integrated over the line; give the cube"),
        (None, {"BUNIT": "K.KM/S"}, "a moment map"),
        (None, {"BUNIT": "JY/BEAM*HZ"}, "a moment map"),
        (None, {"BUNIT": "m/s"}, "a moment map"),
        (None, {"BUNIT": "Jy"}, r"is in 'Jy' \(BUNIT\)"),
        (None, {"RESTFRQ": 115.2712018}, "rest frequency of 115.271 Hz"),
        (None, {"CRVAL3": 1500.0, "CDELT3": 10.0, "remove": ("CUNIT3",)}, "0.01 km/s if they are in m/s"),
        (None, {"CUNIT3": "km/s"}, "beyond the speed of light"),
        (None, {"CUNIT3": "furlong"}, r"an axis VRAD in 'furlong' \(CUNIT3\)"),
        (None, {"PC3_1": 0.5}, "tied to its place on the sky"),
        (None, {"CROTA2": 30.0}, "rotated by 30 degrees"),
        (None, {"remove": ("BUNIT",)}, r"is in '' \(BUNIT\)"),
        (None, {"stokes": 3, "CRVAL4": 2.0}, "holds Q, U, V, none of them Stokes I"),
        (None, {"CRVAL4": 2.0}, "holds Q, none of them Stokes I"),
        (None, {"stokes": 4, "CTYPE4": "LINEAR"}, "give Stokes I"),
        (None, {"CTYPE3": "LINEAR"}, "none of them spectral"),
        (None, {"CTYPE3": "WAVE", "CUNIT3": "m", "CRVAL3": 2.6e-3, "CDELT3": 1e-6}, "spectral axis WAVE"),
        (None, {"CTYPE1": "GLON-SIN", "CTYPE2": "GLAT-SIN"}, "right ascension and declination are needed"),
        (None, {"PC1_1": 0.9, "PC1_2": -0.43, "PC2_1": 0.43, "PC2_2": 0.9}, "rotated by"),
        (None, {"CDELT2": 0.6 / 3600}, "regrid it to square pixels"),
        (lambda cube: cube[:1], {}, "single channel"),
        (lambda cube: np.full_like(cube, np.nan), {}, "every pixel is NaN or zero"),
        (lambda cube: np.zeros_like(cube), {}, "every pixel is NaN or zero"),
        (lambda cube: np.where(cube > 2e-3, cube, 0), {}, "give the cube before that"),
        (lambda cube: np.where(cube > 2e-3, cube, np.nan), {}, "give the cube before that"),
    ],
)
def test_bad_cubes_get_one_line(write, noisy, change, options, complaint):
    path = write(noisy if change is None else change(noisy.copy()), **options)
    with pytest.raises(ContractError, match=complaint) as caught:
        quietly(path)
    assert "\n" not in str(caught.value)


def test_a_map_is_no_cube(write, tmp_path, noisy):
    header = fits.getheader(write(noisy))
    for key in [k for k in header if k.endswith(("3", "4")) and k != "NAXIS4"]:
        if not key.startswith("NAXIS"):
            del header[key]
    path = tmp_path / "map.fits"
    fits.PrimaryHDU(noisy[0].astype(np.float32), header).writeto(path)
    with pytest.raises(ContractError, match="not a map of a moment"):
        quietly(path)


def test_an_image_is_told_from_uvfits(write, noisy, tmp_path):
    path = write(noisy)
    assert is_image_cube(path)
    (tmp_path / "text.csv").write_text("1,2,3")
    assert not is_image_cube(tmp_path / "text.csv")
    assert not is_image_cube(tmp_path)
    with pytest.raises(ContractError, match="is an image cube, not visibilities"):
        open_visibilities(path)


@pytest.fixture
def small(noisy):
    """Return a function of a small cube, for an array would fill pages where hypothesis tells of a failure."""
    return lambda: noisy[::6, :48, :48]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), put=st.binary(min_size=1, max_size=80), cut=st.booleans())
@example(place=0.154296875, put=b"\x00", cut=False)  # wcslib's reason has several lines
def test_a_damaged_image_is_read_or_refused(write, small, place, put, cut):
    path = write(small())
    content = path.read_bytes()
    # Half of the damage goes to the header, which is a small part of the file.
    start = int(2 * place * 2880) if place < 0.5 else int(place * len(content))
    path.write_bytes(content[:start] if cut else content[:start] + put + content[start + len(put) :])
    if not is_image_cube(path):
        return
    try:
        store = quietly(path)
    except ContractError as error:
        told = str(error)
    else:
        told = "read"
        assert np.all(np.isfinite(store["mean"]))
        assert np.all(store["variance"][store["mask"]] > 0)
    assert "\n" not in told
