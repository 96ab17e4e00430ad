"""What a Measurement Set's subtables say of all rows selected, not of the first; several numbers of one target."""

import numpy as np
import pytest
from astropy.time import Time
from steelyard_schemas import ContractError
from vis_gridder import assumptions
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.readers.measurement_set.metadata import utc_seconds

tables = pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")

ARCSEC = np.radians(1 / 3600)


def put(path, table, column, row, value):
    with tables.table(f"{path}/{table}", ack=False, readonly=False) as opened:
        opened.putcell(column, row, value)


def at(north_arcsec, east_arcsec=0.0):
    return np.array([[-1.0 + east_arcsec * ARCSEC / np.cos(0.2), 0.2 + north_arcsec * ARCSEC]])


def beam_arcsec(value):
    """Return the beam at the highest channel, 1.4004 GHz: wavelength over longest projected baseline."""
    cross = value["ANTENNA1"] != value["ANTENNA2"]
    return 299_792_458.0 / 1.4004e9 / np.hypot(*value["UVW"][cross, :2].T).max() / ARCSEC


@pytest.fixture
def two_fields(make_ms):
    """Return a function: two fields whose directions differ by a part of the beam, which is some 200 arcsec."""

    def make(part, name="odd name"):
        _, value = make_ms(n_fields=2, name=f"{name} probe")
        assert 100 < beam_arcsec(value) < 400
        path, value = make_ms(n_fields=2, directions=[at(0), at(part * beam_arcsec(value))], name=name)
        return path, value

    return make


@pytest.mark.parametrize("wanted", [None, "all", "0,1", "NGC1332", [0, "NGC1332"]])
def test_one_target_of_two_numbers_is_read_whole(two_fields, wanted):
    path, value = two_fields(0.09)
    for row in (0, 1):
        put(path, "FIELD", "NAME", row, "NGC1332")
    vis = read_visibilities(path, field=wanted)
    cross = value["ANTENNA1"] != value["ANTENNA2"]
    np.testing.assert_array_equal(vis["u_m"], value["UVW"][cross, 0])
    assert vis.manifest.observation.target == "NGC1332"
    assert vis.manifest.observation.phase_centre_dec_deg == pytest.approx(np.degrees(0.2))
    (note,) = (line for line in assumptions(vis.manifest.history) if "fields" in line)
    assert "0 (NGC1332), 1 (NGC1332) to be one target" in note
    assert "9 % of the beam" in note
    # One of them alone, without a word on the other.
    alone = read_visibilities(path, field=1)
    assert len(alone["u_m"]) == len(vis["u_m"]) // 2
    assert not any("one target" in line for line in alone.manifest.history)


@pytest.mark.parametrize("wanted", ["all", "0,1", "galaxy0, galaxy1", (0, 1)])
def test_fields_that_point_elsewhere_are_not_read_together(two_fields, wanted):
    path, _ = two_fields(0.11)
    with pytest.raises(
        ContractError, match=r"different directions: 0 \(galaxy0\) at .* 1 \(galaxy1\) .* arcsec off.*mosaics"
    ):
        open_visibilities(path, field=wanted)


def test_pointings_of_one_name_are_a_mosaic(make_ms):
    path, _ = make_ms(n_fields=2, directions=[at(0), at(0, 90)])
    for row in (0, 1):
        put(path, "FIELD", "NAME", row, "NGC1332")
    for wanted in ("NGC1332", None):
        with pytest.raises(ContractError, match=r"1 \(NGC1332\) at .*, 1.5 arcmin off"):
            open_visibilities(path, field=wanted)


def test_directions_in_other_frames_are_compared_on_the_sky(make_ms):
    """The same place in B1950 and J2000, by a frame for each row."""
    from astropy.coordinates import FK4, SkyCoord

    place = SkyCoord(302.7, 11.5, unit="deg")
    old = place.transform_to(FK4(equinox="B1950"))
    both = [np.radians([[p.spherical.lon.deg, p.spherical.lat.deg]]) for p in (place, old)]
    path, _ = make_ms(n_fields=2, directions=both)
    with tables.table(f"{path}/FIELD", ack=False, readonly=False) as table:
        table.addcols(tables.maketabdesc([tables.makescacoldesc("PhaseDir_Ref", 0)]))
        table.putcol("PhaseDir_Ref", np.array([0, 3]))
        info = {
            "type": "direction",
            "VarRefCol": "PhaseDir_Ref",
            "TabRefCodes": np.array([0, 3]),
            "TabRefTypes": ["J2000", "B1950"],
        }
        table.putcolkeyword("PHASE_DIR", "MEASINFO", info)
    (found,) = open_visibilities(path)
    assert found.n_rows == 24
    assert any("to be one target" in line for line in found.history)


def test_a_phase_centre_that_moves_is_refused(make_ms):
    path, _ = make_ms(n_fields=2, directions=[np.array([[-1.0, 0.2], [1e-9, 0.0]]), at(0)])
    with pytest.raises(ContractError, match=r"field 0 with a phase centre that moves"):
        open_visibilities(path, field=0)
    # Of fields it is one that cannot be meant together with another.
    with pytest.raises(
        ContractError, match=r"choose one by field=: 0 \(galaxy0\) of no fixed direction, 1 \(galaxy1\) at"
    ):
        open_visibilities(path)
    assert open_visibilities(path, field=1)


def test_a_field_that_follows_an_ephemeris_is_refused(make_ms):
    path, _ = make_ms()
    with tables.table(f"{path}/FIELD", ack=False, readonly=False) as table:
        table.addcols(tables.maketabdesc([tables.makescacoldesc("EPHEMERIS_ID", 0)]))
        table.putcol("EPHEMERIS_ID", np.array([0]))
    with pytest.raises(ContractError, match="follow a moving object"):
        open_visibilities(path)


def test_times_on_both_sides_of_a_leap_second(make_ms):
    """TAI - UTC was 36 s in December 2016 and 37 s from 2017-01-01 (IERS Bulletin C 52)."""

    def edit(value):
        value["TIME"][:] = (57752.5 + np.where(value["SCAN_NUMBER"] < 6, 0.0, 3.0)) * 86400.0

    path, value = make_ms(edit=edit)
    with tables.table(str(path), ack=False, readonly=False) as table:
        table.putcolkeyword("TIME", "MEASINFO", {"type": "epoch", "Ref": "TAI"})
    vis = read_visibilities(path)
    cross = value["ANTENNA1"] != value["ANTENNA2"]
    offset = np.where(value["SCAN_NUMBER"][cross] < 6, 36.0, 37.0)
    np.testing.assert_allclose(value["TIME"][cross] - vis["time_mjd_s"], offset, atol=1e-5)


class Column:
    """The keywords of TIME, as a table gives them."""

    def __init__(self, ref, unit="s"):
        self.keywords = {"QuantumUnits": [unit], "MEASINFO": {"type": "epoch", **({"Ref": ref} if ref else {})}}

    def getcolkeywords(self, _):
        return self.keywords


def test_time_scales():
    time = np.array([5e9, 5e9 + 1])
    # TT is 32.184 s ahead of TAI.
    for ref, offset in (
        ("UTC", 0.0),
        ("TAI", 37.0),
        ("IAT", 37.0),
        ("TT", 69.184),
        ("ET", 69.184),
        ("UT1", 0.0),
        ("", 0.0),
    ):
        to_utc, notes = utc_seconds("a.ms", Column(ref))
        np.testing.assert_allclose(time - to_utc(time), offset, atol=1e-5)
        assert bool(assumptions(notes)) == (ref in ("UT1", ""))
    tdb, _ = utc_seconds("a.ms", Column("TDB"))
    assert tdb(time)[0] == pytest.approx(Time(5e9 / 86400, format="mjd", scale="tdb").utc.mjd * 86400, abs=1e-4)
    with pytest.raises(ContractError, match="TIME in the scale LAST"):
        utc_seconds("a.ms", Column("LAST"))
    with pytest.raises(ContractError, match="TIME in d; s is due"):
        utc_seconds("a.ms", Column("UTC", "d"))


def source_table(path, rest_frequencies, windows=None, times=1):
    """Write a SOURCE table with a row for each window and time, lines named by their number."""
    windows = windows or [-1] * len(rest_frequencies)
    description = tables.maketabdesc(
        [tables.makescacoldesc(name, 0) for name in ("SOURCE_ID", "SPECTRAL_WINDOW_ID")]
        + [
            tables.makearrcoldesc("REST_FREQUENCY", 0.0, ndim=1),
            tables.makearrcoldesc("TRANSITION", "", valuetype="string", ndim=1),
        ]
    )
    with tables.table(f"{path}/SOURCE", description, nrow=len(windows) * times, ack=False) as table:
        for row in range(len(windows) * times):
            lines = np.atleast_1d(rest_frequencies[row % len(windows)])
            table.putcell("SPECTRAL_WINDOW_ID", row, windows[row % len(windows)])
            if lines.size:
                table.putcell("REST_FREQUENCY", row, lines)
                table.putcell("TRANSITION", row, [f"line{i}" for i in range(lines.size)])
    with tables.table(str(path), ack=False, readonly=False) as main:
        main.putkeyword("SOURCE", f"Table: {path}/SOURCE")


@pytest.mark.parametrize(
    ("rest", "windows", "expected", "said"),
    [
        ([[1.420405752e9]], None, 1.420405752e9, "rest frequency 1.42040575e+09 Hz (line0) from the SOURCE table"),
        (
            [[1.42e9, 1.612e9]],
            None,
            1.42e9,
            "assumed the rest frequency 1.42e+09 Hz (line0), the first of the SOURCE table, not 1.612e+09 Hz (line1)",
        ),
        ([[1.42e9], [1.5e9]], [1, 0], 1.5e9, "rest frequency 1.5e+09 Hz"),
        ([[1.42e9], [1.5e9]], [-1, 0], 1.5e9, "rest frequency 1.5e+09 Hz"),
        ([[], [1.5e9]], [0, -1], 1.5e9, "rest frequency 1.5e+09 Hz"),
        ([[1.42e9], [1.5e9]], [0, 0], 1.42e9, "not 1.5e+09 Hz (line0); --rest-frequency-hz"),
        (
            [[1.4e9]],
            None,
            1.4e9,
            "assumed the rest frequency 1.4e+09 Hz of the SOURCE table, though it is that of a channel at the end",
        ),
        ([[-1.0]], None, None, ""),
    ],
)
def test_rest_frequencies_of_all_rows(make_ms, rest, windows, expected, said):
    path, _ = make_ms()
    source_table(path, rest, windows, times=2)
    (found,) = open_visibilities(path)
    assert found.observation.rest_frequency_hz == expected
    assert any(said in line for line in found.history)


def test_frames_by_the_codes_of_the_file(make_ms):
    path, _ = make_ms()
    put(path, "SPECTRAL_WINDOW", "MEAS_FREQ_REF", 0, 64)
    (found,) = open_visibilities(path)
    assert found.observation.frequency_frame == "UNKNOWN"
    assert any("frame is Undefined" in line for line in assumptions(found.history))
    with tables.table(f"{path}/SPECTRAL_WINDOW", ack=False, readonly=False) as table:
        info = table.getcolkeyword("CHAN_FREQ", "MEASINFO")
        table.putcolkeyword(
            "CHAN_FREQ", "MEASINFO", {**info, "TabRefTypes": ["BARY", "TOPO"], "TabRefCodes": np.array([64, 1])}
        )
    (found,) = open_visibilities(path)
    assert found.observation.frequency_frame == "BARY"


def test_units_other_than_the_standard_are_refused(make_ms):
    path, _ = make_ms()
    for table, column, unit, due in (
        ("", "UVW", "km", "m"),
        ("SPECTRAL_WINDOW", "CHAN_FREQ", "GHz", "Hz"),
        ("FIELD", "PHASE_DIR", "deg", "rad"),
    ):
        with tables.table(f"{path}/{table}", ack=False, readonly=False) as opened:
            before = opened.getcolkeyword(column, "QuantumUnits")
            opened.putcolkeyword(column, "QuantumUnits", [unit] * len(before))
        with pytest.raises(ContractError, match=f"has {column} in {unit}; {due} is due"):
            open_visibilities(path)
        with tables.table(f"{path}/{table}", ack=False, readonly=False) as opened:
            opened.putcolkeyword(column, "QuantumUnits", before)


def test_dishes_are_those_of_the_rows_that_are_left(make_ms):
    """The third antenna is larger: scan 5 is without it, and so are all rows once its own are flagged."""

    def edit(value):
        of_c = (value["ANTENNA1"] == 2) | (value["ANTENNA2"] == 2)
        value["FLAG_ROW"][:] = of_c
        value["ANTENNA2"][of_c & (value["SCAN_NUMBER"] == 5)] = 1
        value["ANTENNA1"][of_c & (value["SCAN_NUMBER"] == 5)] = 0

    path, _ = make_ms(edit=edit)
    put(path, "ANTENNA", "DISH_DIAMETER", 2, 100.0)
    for scan in ("5", None):
        (found,) = open_visibilities(path, scan=scan)
        assert found.observation.dish_diameter_m == 25.0


def test_antennas_of_two_diameters_are_refused_with_how_to_split(make_ms):
    path, _ = make_ms()
    put(path, "ANTENNA", "DISH_DIAMETER", 2, 12.0)
    told = r"has dishes of several diameters \(12 m: c; 25 m: a, b\), .* in CASA split\(antenna='c&'\)"
    with pytest.raises(ContractError, match=told):
        open_visibilities(path)


def test_observations_of_several_telescopes(make_ms):
    path, _ = make_ms()
    put(path, "OBSERVATION", "TELESCOPE_NAME", 1, "WSRT")
    (found,) = open_visibilities(path)
    assert found.observation.telescope == "VLA + WSRT"
    assert "assumed observations of VLA and WSRT to fit; --observation chooses" in found.history
    (found,) = open_visibilities(path, observation=1)
    assert found.observation.telescope == "WSRT"


def test_one_hand_is_an_assumption(make_ms):
    path, _ = make_ms(corr_type=(9, 10))
    (found,) = open_visibilities(path)
    assert any(line.startswith("assumed XX to be Stokes I") for line in found.history)
