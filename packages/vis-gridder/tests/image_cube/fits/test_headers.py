"""Spellings of FITS image headers: units, beams, velocities, frames, polarisations; what they leave open is told."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from steelyard_schemas import ContractError
from vis_gridder import DataWarning, assumptions
from vis_gridder.image_cube.fits.open import open_image_cube

REST_HZ, C_MS = 115.2712018e9, 299792458.0
CELL, NPIX, N = 0.5, 16, 30
BEAM = (3.0, 2.2, 35.0)
BEAMLESS = ("BMAJ", "BMIN", "BPA")
FLUX = 0.02


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a point of `FLUX` in each voxel of channel 3 and reads it; cards by keyword."""

    def function(*, value=FLUX, remove=(), history=(), table=None, stokes=None, rest=None, **cards):
        header = fits.Header()
        header.update(
            CTYPE1="RA---SIN", CRVAL1=150.0, CDELT1=-CELL / 3600, CRPIX1=NPIX // 2,
            CTYPE2="DEC--SIN", CRVAL2=-20.0, CDELT2=CELL / 3600, CRPIX2=NPIX // 2 + 1,
            CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=1500e3, CDELT3=10e3, CRPIX3=1.0,
            CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0, RADESYS="ICRS",
            RESTFRQ=REST_HZ, SPECSYS="LSRK", BUNIT="Jy/beam",
            BMAJ=BEAM[0] / 3600, BMIN=BEAM[1] / 3600, BPA=BEAM[2],
        )  # fmt: skip
        header.update(cards)
        for key in remove:
            del header[key]
        for line in history:
            header.add_history(line)
        data = np.zeros((1 if stokes is None else len(stokes), N, NPIX, NPIX), np.float32)
        data[:, 3] = value if stokes is None else np.reshape(stokes, (-1, 1, 1))
        hdus = [fits.PrimaryHDU(data, header), *([] if table is None else [table])]
        path = tmp_path / "cube.fits"
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return open_image_cube(path, rest)

    return function


def assumed(cube, text):
    return [line for line in assumptions(cube.history) if text in line]


def bright(cube):
    """The file's channel 3, ascending in frequency or not: its value, Jy per pixel."""
    return float(np.nanmax(cube.image))


AREA = np.pi * BEAM[0] * BEAM[1] / (4 * np.log(2)) / CELL**2
FREQUENCY_3 = REST_HZ * (1 - 1530e3 / C_MS)
KELVIN = (
    (1 * u.K).to(u.Jy / u.sr, u.brightness_temperature(FREQUENCY_3 * u.Hz)) * (CELL * u.arcsec).to(u.rad) ** 2 / u.Jy
).value


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("beam-1 Jy", 1 / AREA),
        ("Jy beam^-1", 1 / AREA),
        ("JY/BEAM", 1 / AREA),
        ("Jy/bm", 1 / AREA),
        ("mJy/bm", 1e-3 / AREA),
        ("MJY/BEAM", 1e-3 / AREA),
        ("mJy beam**-1", 1e-3 / AREA),
        ("uJy.beam-1", 1e-6 / AREA),
        ("JY/PIXEL", 1.0),
        ("K", KELVIN),
        ("mK", 1e-3 * KELVIN),
        ("K (Tb)", KELVIN),
        ("MJy/sr", 1e6 * (CELL * np.pi / 648000) ** 2),
        ("MJY/SR", 1e6 * (CELL * np.pi / 648000) ** 2),
    ],
)
def test_brightness_units(read, unit, factor):
    cube = read(BUNIT=unit)
    assert bright(cube) == pytest.approx(FLUX * factor, rel=1e-6)
    assert bool(assumed(cube, "Rayleigh-Jeans")) == (unit[0] == "K" or unit == "mK")
    assert bool(assumed(cube, "M of MJY/BEAM is milli")) == (unit == "MJY/BEAM")


AT_REST = REST_HZ * u.Hz


@pytest.mark.parametrize(
    ("cards", "definition", "told"),
    [
        ({"CTYPE3": "VRAD"}, u.doppler_radio, None),
        ({"CTYPE3": "VOPT"}, u.doppler_optical, None),
        ({"CTYPE3": "VELO"}, u.doppler_relativistic, "assumed relativistic velocities for VELO"),
        ({"CTYPE3": "VELO", "VELREF": 257}, u.doppler_radio, None),
        ({"CTYPE3": "VELO", "VELREF": 2}, u.doppler_optical, None),
        ({"CTYPE3": "VELOCITY"}, u.doppler_radio, "assumed radio velocities for VELOCITY"),
        ({"CTYPE3": "VELO-LSR"}, u.doppler_radio, "assumed radio velocities for VELO-LSR"),
        ({"CTYPE3": "VELO-HEL", "VELREF": 2}, u.doppler_optical, None),
        ({"CTYPE3": "VELO-BAR", "VELREF": 258}, u.doppler_radio, None),
    ],
)
def test_definitions_of_velocity(read, cards, definition, told):
    """1500.00 to 1790.00 km/s, whichever velocity it is, by astropy's equivalencies."""
    cube = read(**cards)
    found = (cube.frequency_hz[::-1] * u.Hz).to(u.km / u.s, definition(AT_REST)).value
    np.testing.assert_allclose(found, 1500.0 + 10.0 * np.arange(N), atol=1e-6)
    assert bool(assumed(cube, "velocities for")) == (told is not None)
    assert told is None or assumed(cube, told)


def test_other_units_of_velocity_and_frequency(read):
    kms = {"CRVAL3": 1500.0, "CDELT3": 10.0}
    expected = read().frequency_hz
    for unit in ("km/s", "KM/S", "km s^-1", "km/sec"):
        np.testing.assert_allclose(read(CUNIT3=unit, **kms).frequency_hz, expected, rtol=1e-14)
    ghz = {"CRVAL3": 115.2, "CDELT3": 0.001}
    for ctype, unit in (("FREQ", "GHz"), ("FREQ-LSR", "GHZ"), ("FREQUENCY", "GHz")):
        found = read(CTYPE3=ctype, CUNIT3=unit, **ghz).frequency_hz
        np.testing.assert_allclose(found, 115.2e9 + 1e6 * np.arange(N), rtol=1e-14)
    found = read(CTYPE3="FREQ", CUNIT3="MHZ", CRVAL3=115200.0, CDELT3=-1.0).frequency_hz
    np.testing.assert_allclose(found, 115.2e9 + 1e6 * (np.arange(N) - N + 1), rtol=1e-14)


@pytest.mark.parametrize(
    ("ctype", "scale", "code"),
    [
        ("VELO-F2V", 1.0, None),
        ("VOPT-F2W", 1.0, None),
        ("FELO", 1.0, "VOPT-F2W"),
        ("FELO-LSR", 1.0, "VOPT-F2W"),
        ("FELO-HEL", 1.0, "VOPT-F2W"),
        ("ZOPT-F2W", C_MS, None),
        ("BETA-F2V", C_MS, None),
    ],
)
def test_axes_even_in_frequency_but_named_for_velocity(read, ctype, scale, code):
    """Steps of frequency are those of the derivative at the reference pixel (Greisen et al. 2006, section 3)."""
    cards = {"CRVAL3": 1500e3 / scale, "CDELT3": 10e3 / scale, "CUNIT3": "m/s" if scale == 1.0 else ""}
    found = read(CTYPE3=ctype, **cards).frequency_hz[::-1]
    beta, step = 1500e3 / C_MS, 10e3 / C_MS
    if "V" in ctype[-1:]:
        first = REST_HZ * np.sqrt((1 - beta) / (1 + beta))
        slope = -first / (1 - beta**2)
    else:
        first = REST_HZ / (1 + beta)
        slope = -first / (1 + beta)
    np.testing.assert_allclose(found, first + slope * step * np.arange(N), rtol=1e-12)


@pytest.mark.parametrize(("ctype", "definition"), [("ZOPT", u.doppler_optical), ("BETA", u.doppler_relativistic)])
def test_redshift_and_beta(read, ctype, definition):
    found = read(CTYPE3=ctype, CUNIT3="", CRVAL3=0.005, CDELT3=2e-5).frequency_hz[::-1]
    velocity = C_MS * (0.005 + 2e-5 * np.arange(N)) * u.m / u.s
    np.testing.assert_allclose(found, velocity.to(u.Hz, definition(AT_REST)).value, rtol=1e-13)


def test_a_reference_pixel_within_the_band_and_falling_velocities(read):
    cube = read(CRPIX3=11.5, CRVAL3=1605e3)
    np.testing.assert_allclose(cube.frequency_hz, read().frequency_hz, rtol=1e-14)
    cube = read(CRVAL3=1790e3, CDELT3=-10e3)
    np.testing.assert_allclose(cube.frequency_hz, read().frequency_hz, rtol=1e-14)
    # Channel 3 of the file stays with its frequency.
    assert np.argmax(cube.image[:, 8, 8]) == 3
    assert np.argmax(read().image[:, 8, 8]) == N - 4


def test_channels_even_in_optical_velocity_are_not_in_frequency(read):
    """Steps go as 1 / ((1 + v/c) (1 + v'/c)): 280 km/s between the first and the last are 0.19 %, 2800 km/s 1.8 %."""
    cube = read(CTYPE3="VOPT")
    assert any("differ in width by 0.19 %" in line for line in cube.history)
    with pytest.raises(ContractError, match=r"even in optical velocity, which in frequency differ by 1\.8 %"):
        read(CTYPE3="VOPT", CDELT3=100e3)


def test_a_header_of_the_standard_reads_as_in_astropy(read, tmp_path):
    """The reader against astropy's own WCS on a header of the standard."""
    cube = read(CTYPE3="VELO-F2V")
    wcs = WCS(fits.getheader(tmp_path / "cube.fits")).spectral
    frequency = wcs.pixel_to_world(np.arange(N)).to(u.Hz, doppler_rest=AT_REST, doppler_convention="relativistic")
    np.testing.assert_allclose(cube.frequency_hz[::-1], frequency.value, rtol=1e-13)


def test_velocities_without_a_unit_are_in_metres_and_it_is_told(read):
    cube = read(remove=("CUNIT3",))
    np.testing.assert_allclose(cube.frequency_hz, read().frequency_hz, rtol=1e-14)
    assert assumed(cube, "assumed m/s for VRAD (no CUNIT3)")
    with pytest.raises(ContractError, match=r"channels of 0\.01 km/s if they are in m/s.*write CUNIT3"):
        read(remove=("CUNIT3",), CRVAL3=1500.0, CDELT3=10.0)


@pytest.mark.parametrize(
    ("cards", "frame", "told"),
    [
        ({"SPECSYS": "BARYCENT"}, "BARY", None),
        ({"SPECSYS": "SOURCE"}, "REST", None),
        ({"SPECSYS": "HELIOCEN"}, "BARY", "heliocentric (SPECSYS = HELIOCEN)"),
        ({"SPECSYS": ""}, "UNKNOWN", "one frame at rest, which the file does not name"),
        ({"SPECSYS": "CMBDIPOL"}, "UNKNOWN", "one frame at rest"),
        ({"SPECSYS": "", "CTYPE3": "VELO-OBS", "VELREF": 259}, "TOPO", None),
        ({"SPECSYS": "", "CTYPE3": "FREQ-LSR", "CUNIT3": "Hz", "CRVAL3": 115e9, "CDELT3": 1e6}, "LSRK", None),
        ({"SPECSYS": "", "CTYPE3": "FELO-HEL"}, "BARY", "heliocentric (CTYPE FELO-HEL)"),
        ({"SPECSYS": "", "VELREF": 260}, "LSRD", None),
        ({"SPECSYS": "LSRK", "VELREF": 258}, "LSRK", "VELREF = 2 says BARY"),
    ],
)
def test_frames(read, cards, frame, told):
    cube = read(**cards)
    assert cube.observation.frequency_frame == frame
    frames = assumed(cube, "frame") + assumed(cube, "heliocentric")
    assert bool(frames) == (told is not None)
    assert told is None or any(told in line for line in frames)


def test_rest_frequencies(read):
    for cards in ({"RESTFREQ": REST_HZ}, {"RESTWAV": C_MS / REST_HZ}):
        cube = read(remove=("RESTFRQ",), **cards)
        assert cube.observation.rest_frequency_hz == pytest.approx(REST_HZ, rel=1e-12)
        np.testing.assert_allclose(cube.frequency_hz, read().frequency_hz, rtol=1e-12)
    # The velocities are of the file's rest frequency, whichever line they are to be of.
    cube = read(rest=2 * REST_HZ)
    assert cube.observation.rest_frequency_hz == 2 * REST_HZ
    np.testing.assert_allclose(cube.frequency_hz, read().frequency_hz, rtol=1e-14)


@pytest.mark.parametrize(("velref", "definition"), [(257, u.doppler_radio), (1, u.doppler_optical)])
def test_aips_second_reference_stands_for_a_rest_frequency(read, velref, definition):
    at = (1600e3 * u.m / u.s).to(u.Hz, definition(AT_REST)).value
    frequency = {
        "CTYPE3": "FREQ",
        "CUNIT3": "HZ",
        "CRVAL3": at - 4e6,
        "CDELT3": 1e6,
        "ALTRVAL": 1600e3,
        "ALTRPIX": 5.0,
    }
    velocity = {"CTYPE3": "VELO-LSR", "CRVAL3": 1560e3, "ALTRVAL": at, "ALTRPIX": 5.0}
    for cards in (frequency, velocity):
        cube = read(remove=("RESTFRQ",), VELREF=velref, **cards)
        assert cube.observation.rest_frequency_hz == pytest.approx(REST_HZ, rel=1e-12)
        assert any("from ALTRVAL" in line for line in cube.history)


def beam_table(unit, angle="deg", name="BEAMS", scale=1.0, order=None, pol=None, majors=None):
    majors = np.linspace(3.0, 2.9, N) if majors is None else majors
    order = np.arange(N) if order is None else order
    columns = [
        fits.Column("BMAJ", "1D", unit=unit, array=majors[order] * scale),
        fits.Column("BMIN", "1D", unit=unit, array=np.full(order.size, 2.2) * scale),
        fits.Column("BPA", "1D", unit=angle, array=np.full(order.size, 35.0)),
        fits.Column("CHAN", "1J", array=order),
        *([] if pol is None else [fits.Column("POL", "1J", array=pol)]),
    ]
    return fits.BinTableHDU.from_columns(columns, name=name)


@pytest.mark.parametrize(
    ("unit", "angle", "scale"),
    [
        ("arcsec", "deg", 1.0),
        ("arcseconds", "degrees", 1.0),
        ("ARCSEC", "DEGREES", 1.0),
        ("DEGREES", "DEGREES", 1 / 3600),
        ("deg", "deg", 1 / 3600),
    ],
)
@pytest.mark.parametrize("name", ["BEAMS", "AIPS CG"])
def test_tables_of_beams(read, unit, angle, scale, name):
    cube = read(table=beam_table(unit, angle, name, scale), remove=BEAMLESS)
    np.testing.assert_allclose([b.major_arcsec for b in cube.beams], np.linspace(2.9, 3.0, N), rtol=1e-9)
    np.testing.assert_allclose([b[1:] for b in cube.beams], N * [(2.2, 35.0)], rtol=1e-9)
    assert not assumed(cube, "beam")


def test_beams_belong_to_their_channel_and_polarisation(read):
    majors = np.linspace(3.0, 2.9, N)
    cube = read(table=beam_table("arcsec", order=np.arange(N)[::-1]), remove=BEAMLESS)
    np.testing.assert_allclose([b.major_arcsec for b in cube.beams], majors[::-1])
    # V, I: the second plane's beams.
    both = beam_table("arcsec", order=np.tile(np.arange(N), 2), pol=np.repeat([0, 1], N))
    both.data["BMAJ"][:N] = 2.5
    cube = read(table=both, remove=BEAMLESS, stokes=[0.0, FLUX], CRVAL4=4.0, CDELT4=-3.0)
    np.testing.assert_allclose([b.major_arcsec for b in cube.beams], majors[::-1])
    assert assumed(read(table=beam_table(None, None), remove=BEAMLESS), "assumed arcsec and degrees")


@pytest.mark.parametrize("odd", [0.0, np.nan, 40.0])
def test_channels_with_an_odd_beam_are_left_out(read, odd):
    majors = np.linspace(3.0, 2.9, N)
    majors[[3, 7]] = odd
    with pytest.warns(DataWarning, match="1 channels hold data but no beam"):
        cube = read(table=beam_table("arcsec", majors=majors), remove=BEAMLESS)
    blank = np.isnan(cube.image).all(axis=(1, 2))
    assert list(np.flatnonzero(blank)) == [N - 8, N - 4]
    assert not np.isnan(cube.image[~blank]).any()
    assert max(b.major_arcsec for b in cube.beams) < 3.01
    assert any(line.startswith("left out 2 channels") for line in cube.history)


@pytest.mark.parametrize(
    ("lines", "beam"),
    [
        (["AIPS   CLEAN BMAJ=  1.2000E-03 BMIN=  1.0000E-03 BPA=  45.00"], (4.32, 3.6, 45.0)),
        (["RESTOR: Beam =  5.303E+00 x  3.266E+00 arcsec, pa =  6.485E+00 degrees"], (5.303, 3.266, 6.485)),
    ],
)
@pytest.mark.parametrize("header", ["none", "zero"])
def test_the_beam_in_the_history(read, lines, beam, header):
    cards = {"remove": BEAMLESS} if header == "none" else {"BMAJ": 0.0, "BMIN": 0.0, "BPA": 0.0}
    cube = read(history=["IMAGR begins", *lines, "and ends"], **cards)
    np.testing.assert_allclose(cube.beams[0], beam, rtol=1e-9)
    assert not assumed(cube, "beam")
    assert any("from the history of" in line for line in cube.history)
    twice = read(history=[*lines, lines[0].replace("5", "6").replace("1.2", "1.3")], **cards)
    assert assumed(twice, "assumed the last of 2 beams")


def test_a_beam_that_is_half_told(read):
    circular = read(remove=("BMIN", "BPA"))
    assert circular.beams[0] == pytest.approx((3.0, 3.0, 0.0))
    assert assumed(circular, "assumed a circular beam (no BMIN)")
    north = read(remove=("BPA",))
    assert north.beams[0] == pytest.approx((3.0, 2.2, 0.0))
    assert assumed(north, "position angle 0 (no BPA)")


@pytest.mark.parametrize(
    ("cards", "planes", "expected", "told"),
    [
        ({}, [1.0, 2.0, 3.0, 4.0], 1.0, False),
        ({"CRVAL4": 4.0, "CDELT4": -1.0}, [1.0, 2.0, 3.0, 4.0], 4.0, False),
        ({"CRVAL4": 2.0, "CRPIX4": 2.0}, [1.0, 2.0], 1.0, False),
        ({"CRVAL4": -5.0, "CDELT4": -1.0}, [1.0, 2.0], 1.5, False),
        ({"CRVAL4": -1.0, "CDELT4": -1.0}, [1.0, 2.0, 30.0, 40.0], 1.5, False),
        ({"CRVAL4": -2.0}, [3.0], 3.0, True),
    ],
)
def test_stokes_i_of_several_planes(read, cards, planes, expected, told):
    cube = read(stokes=planes, BUNIT="Jy/pixel", **cards)
    assert bright(cube) == pytest.approx(expected)
    assert bool(assumed(cube, "Stokes I")) == told


def test_what_a_whole_header_leaves_to_assume(read):
    assert assumptions(read().history) == []
    told = assumptions(read(remove=("RADESYS", "CTYPE4", "CRVAL4", "CDELT4", "CRPIX4", "SPECSYS")).history)
    assert [line.split(":")[0] for line in told] == [
        "assumed Stokes I (no STOKES axis)",
        "assumed ICRS for the coordinates (no RADESYS, no EQUINOX)",
        "assumed that velocities are in one frame at rest, which the file does not name (no SPECSYS, no VELREF)",
    ]


def test_a_turn_by_half_a_circle_is_north_up(read):
    """CROTA2 = 180: both axes are reversed."""
    cube = read(CROTA2=180.0)
    assert bright(cube) == bright(read())
    assert cube.observation.phase_centre_ra_deg == pytest.approx(150.0, abs=0.001)
