import dataclasses

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import FK4NoETerms, SkyCoord
from astropy.utils import iers
from scipy.interpolate import CubicSpline
from steelyard_schemas import ContractError
from vis_gridder.spectral.doppler import ARRAY_POSITIONS_M, frame_factor
from vis_gridder.spectral.frames import convert_frame
from vis_gridder.stream.source import as_source, collect

C_M_S = 299_792_458.0
FRAMES = ("TOPO", "GEO", "BARY", "LSRK", "LSRD")


@pytest.fixture
def source(make_vis):
    """Return a function that makes a source of one channel at given times and place."""

    def make(mjd=59000.0, **observation):
        times = np.atleast_1d(np.asarray(mjd, float)) * 86400.0
        ones = np.ones(times.size)
        vis = make_vis(ones, ones, ones[:, None] + 0j, times=times, **observation)
        return as_source(vis)

    return make


def velocity_m_s(source, frame, times=None):
    """Return c (1 - D): how far lines move up in radio velocity."""
    factor = frame_factor(source, frame)
    return C_M_S * (1 - (factor.at_start if times is None else factor.at(times)))


def test_the_local_standard_is_20_km_s_towards_18h_30_deg_of_1900(source):
    apex = SkyCoord(270 * units.deg, 30 * units.deg, frame=FK4NoETerms(equinox="B1900")).icrs
    toward = {"phase_centre_ra_deg": float(apex.ra.deg), "phase_centre_dec_deg": float(apex.dec.deg)}
    across = {"phase_centre_ra_deg": float(apex.ra.deg), "phase_centre_dec_deg": float(apex.dec.deg) - 90.0}
    # The Sun moves towards the apex, so against the local standard sources there recede by 20 km/s more:
    # f_LSRK / f_BARY = sqrt((1 - b) / (1 + b)), b = 20 km/s / c. Five decimals of the vector are 0.01 m/s.
    b = 20e3 / C_M_S
    expected = C_M_S * (1 - np.sqrt((1 - b) / (1 + b)))
    assert velocity_m_s(source(frequency_frame="BARY", **toward), "LSRK") == pytest.approx(expected, abs=0.05)
    assert velocity_m_s(source(frequency_frame="BARY", **across), "LSRK") == pytest.approx(0.0, abs=0.05)
    there = frame_factor(source(frequency_frame="BARY", **toward), "LSRK")
    back = frame_factor(source(frequency_frame="LSRK", **toward), "BARY")
    assert there.constant * back.constant == pytest.approx(1.0, abs=1e-15)


def almanac_velocity_m_s(mjd, ra, dec, position_m):
    """Return the velocity of a place on Earth towards a direction, from the Sun, by low-precision formulae.

    Sun's place: Astronomical Almanac, section C, 0.01 deg; its derivative by differences. Earth's rotation: mean
    sidereal time (Meeus, Astronomical Algorithms, 12.4).
    """

    def sun_au(days):
        g = np.deg2rad(357.528 + 0.9856003 * days)
        precession = 50.29 / 3600 * days / 365.25
        longitude = np.deg2rad(280.460 + 0.9856474 * days + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g) - precession)
        tilt = np.deg2rad(23.4393)
        distance = 1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2 * g)
        return distance * np.array(
            [np.cos(longitude), np.cos(tilt) * np.sin(longitude), np.sin(tilt) * np.sin(longitude)]
        )

    days = mjd - 51544.5
    orbit = -(sun_au(days + 0.5) - sun_au(days - 0.5)) * 1.495978707e11 / 86400
    x, y, _ = position_m
    sidereal = np.deg2rad(280.46062 + 360.98564737 * days) + np.arctan2(y, x)
    rotation = 7.2921159e-5 * np.hypot(x, y) * np.array([-np.sin(sidereal), np.cos(sidereal), 0 * sidereal])
    towards = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    return towards @ (orbit + rotation)


@pytest.mark.parametrize(("ra_deg", "dec_deg"), [(30.0, 5.0), (190.0, -40.0), (285.0, 66.0)])
def test_the_earths_motion_agrees_with_the_almanacs_formulae(source, ra_deg, dec_deg):
    # A day of hours in each of eight seasons.
    mjd = (59000.0 + 45.7 * np.arange(8)[:, None] + np.arange(24) / 24).ravel()
    site = ARRAY_POSITIONS_M["ALMA"]
    data = source(mjd, frequency_frame="TOPO", phase_centre_ra_deg=ra_deg, phase_centre_dec_deg=dec_deg)
    found = velocity_m_s(data, "BARY", mjd * 86400.0)
    expected = almanac_velocity_m_s(mjd, np.deg2rad(ra_deg), np.deg2rad(dec_deg), site)
    # The Sun goes round the barycentre at up to 16 m/s, the Earth round the Moon's at 12 m/s; 0.01 deg of the
    # orbit is 5 m/s; b^2 / 2 is 1.5 m/s. The motions themselves are 30 km/s and 0.43 km/s.
    assert np.abs(found - expected).max() < 40.0
    assert np.abs(found).max() < 30_290 + 465
    if dec_deg < 60:  # elsewhere the source is too near the ecliptic's pole to see the orbit
        assert np.ptp(found) > 25_000


def test_all_frames_agree_with_casacore(source):
    measures_module = pytest.importorskip("casacore.measures", reason="python-casacore is the oracle of frames")
    from casacore.quanta import quantity

    measures = measures_module.measures()
    rng = np.random.default_rng(0)
    for telescope in ("ALMA", "VLA", "GMRT", "ATCA"):
        mjd, ra, dec = rng.uniform(48000, 60000), rng.uniform(0, 360), rng.uniform(-90, 90)
        place = {"telescope": telescope, "phase_centre_ra_deg": ra, "phase_centre_dec_deg": dec}
        measures.do_frame(measures.epoch("utc", quantity(mjd, "d")))
        measures.do_frame(measures.position("itrf", *[quantity(v, "m") for v in ARRAY_POSITIONS_M[telescope]]))
        measures.do_frame(measures.direction("J2000", quantity(ra, "deg"), quantity(dec, "deg")))
        for was in FRAMES:
            one = measures.frequency(was, quantity(1e15, "Hz"))
            for frame in FRAMES:
                expected = C_M_S * (1 - measures.measure(one, frame)["m0"]["value"] / 1e15)
                # The Earth's ephemerides differ by 0.2 m/s; interpolation adds 0.1 m/s.
                found = velocity_m_s(source(mjd, frequency_frame=was, **place), frame)
                assert found == pytest.approx(expected, abs=0.5), (telescope, was, frame)


def test_array_positions_are_casacores():
    measures_module = pytest.importorskip("casacore.measures", reason="python-casacore knows where telescopes stand")
    measures = measures_module.measures()
    known = {"MEERKAT": "MeerKAT", "JVLA": "EVLA", "UGMRT": "GMRT"}
    for name, position_m in ARRAY_POSITIONS_M.items():
        place = measures.measure(measures.observatory(known.get(name, name)), "ITRF")
        longitude, latitude, radius = (place[f"m{i}"]["value"] for i in range(3))
        xyz = radius * np.array(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
        )
        # Entries under two names for one array are up to 150 m apart; 1 km is 0.07 m/s.
        assert np.abs(xyz - position_m).max() < 200.0, name


def test_the_interpolated_factor_is_right_to_a_metre_per_second(source):
    # On the celestial equator the Earth's rotation shows in full; GMRT is near the terrestrial one.
    place = {"phase_centre_ra_deg": 10.0, "phase_centre_dec_deg": 0.0, "frequency_frame": "TOPO", "telescope": "GMRT"}
    data = source(59000.0, **place)
    # At the nodes the factor is computed, not interpolated; a cubic spline through them is exact to
    # (2 pi / 86164 s * 600 s)^4 / 384 of 465 m/s, 1e-5 m/s.
    nodes = 59000.0 * 86400 + 600.0 * np.arange(73)
    smooth = CubicSpline(nodes, velocity_m_s(data, "LSRK", nodes))
    times = np.random.default_rng(3).uniform(nodes[0], nodes[-1], 500)
    found = velocity_m_s(data, "LSRK", times)
    assert np.ptp(found) > 500.0
    # The chord of ten minutes: at most 0.11 m/s off, as the module states.
    assert 0.05 < np.abs(found - smooth(times)).max() < 0.12


def test_dates_beyond_the_tables_of_earth_orientation_work_without_network(source, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("fetches from the network")

    before = iers.conf.auto_download
    monkeypatch.setattr(iers.iers, "download_file", refuse)
    for mjd in (15100.0, 40000.0, 70000.0, 88000.0):
        data = source(mjd, frequency_frame="TOPO", phase_centre_ra_deg=30.0, phase_centre_dec_deg=5.0)
        expected = almanac_velocity_m_s(mjd, np.deg2rad(30.0), np.deg2rad(5.0), ARRAY_POSITIONS_M["ALMA"])
        # As above, and the almanac's formulae lose a part in a thousand over a century.
        assert velocity_m_s(data, "BARY") == pytest.approx(expected, abs=80.0)
    assert iers.conf.auto_download is before


def test_between_frames_at_rest_only_the_frequencies_change(source):
    data = source(frequency_frame="LSRK")
    data.history.append("read")
    there = convert_frame(data, "BARY")
    factor = frame_factor(data, "BARY").constant
    assert there.observation.frequency_frame == "BARY"
    np.testing.assert_array_equal(there.frequency_hz, data.frequency_hz * factor)
    np.testing.assert_array_equal(there.channel_width_hz, data.channel_width_hz * factor)
    assert all(
        a is b or np.shares_memory(a, b) for a, b in zip(next(there.blocks()), next(data.blocks()), strict=True)
    )
    assert collect(there).manifest.history[0] == "read"
    assert "LSRK to BARY" in there.history[1]
    assert convert_frame(data, "LSRK") is data
    # There and back is the same to rounding.
    np.testing.assert_allclose(convert_frame(there, "LSRK").frequency_hz, data.frequency_hz, rtol=1e-15)


def test_the_position_in_the_data_comes_before_the_telescopes_name(source):
    place = {"frequency_frame": "TOPO", "phase_centre_ra_deg": 30.0, "phase_centre_dec_deg": 5.0}
    vla, alma = ARRAY_POSITIONS_M["VLA"], ARRAY_POSITIONS_M["ALMA"]
    named = [velocity_m_s(source(telescope=name, **place), "LSRK") for name in ("VLA", "ALMA")]
    given = [velocity_m_s(source(telescope="ALMA", array_position_m=xyz, **place), "LSRK") for xyz in (vla, alma)]
    assert given == named
    assert abs(named[0] - named[1]) > 10.0


def test_what_cannot_be_converted_says_so(source):
    with pytest.raises(ContractError, match=r"frame is UNKNOWN, which cannot be converted.*mstransform"):
        convert_frame(source(frequency_frame="UNKNOWN"), "LSRK")
    timeless = dataclasses.replace(source(frequency_frame="TOPO"), start_mjd_s=None)
    with pytest.raises(ContractError, match="no times, which TOPO to LSRK needs"):
        convert_frame(timeless, "LSRK")
    assert convert_frame(timeless, "TOPO") is timeless
    with pytest.raises(ContractError, match=r"the position of the telescope 'backyard'.*array_position_m"):
        convert_frame(source(frequency_frame="TOPO", telescope="backyard"), "LSRK")
    with pytest.raises(ContractError, match="missing or outside 1900 to 2100"):
        convert_frame(source(1000.0, frequency_frame="TOPO"), "LSRK")
    with pytest.raises(ContractError, match="no times"):
        convert_frame(source(0.0, frequency_frame="TOPO"), "LSRK")
    # The Earth's centre needs no telescope.
    assert frame_factor(source(frequency_frame="GEO", telescope="backyard"), "BARY").constant is None
