"""UVFITS: frames and units of u, v, w, halves of the date, antennas and subarrays."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import FK4, SkyCoord
from astropy.io import fits
from steelyard_schemas import ContractError
from typer.testing import CliRunner
from vis_gridder import estimate_noise
from vis_gridder.cli import app
from vis_gridder.readers.dispatch import read_visibilities
from vis_gridder.stream.history import assumptions

C = 299_792_458.0
ARCSEC = np.pi / 180 / 3600
POLE = np.array([0.0, 0.0, 1.0])


def some(rng, shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def observe(dec_deg, frequency_hz, l_arcsec, m_arcsec, flux_jy):
    """Return what an array in three dimensions sees of a point: baselines by directions alone, and visibilities.

    Axes x and y are in the equator, z is the pole. Returned are the components of each baseline to the east, north
    and source, those that AIPS Memo 117 calls NCP, all in m, and the visibilities [row, channel].
    """
    rng = np.random.default_rng(11)
    antennas = rng.uniform(-800, 800, (6, 3))
    baselines = np.array([antennas[j] - antennas[i] for i in range(6) for j in range(i + 1, 6)])
    sky, pole, vis = [], [], []
    for hour in np.radians(np.linspace(-60, 60, 9)):
        equator = np.array([np.cos(hour), -np.sin(hour), 0.0])
        source = np.cos(np.radians(dec_deg)) * equator + np.sin(np.radians(dec_deg)) * POLE
        east = np.cross(POLE, source) / np.linalg.norm(np.cross(POLE, source))
        north = np.cross(source, east)
        x, y = l_arcsec * ARCSEC, m_arcsec * ARCSEC
        point = x * east + y * north + np.sqrt(1 - x**2 - y**2) * source
        sky.append(np.stack([baselines @ east, baselines @ north, baselines @ source], axis=1))
        pole.append(np.stack([baselines @ east, -baselines @ equator, baselines @ POLE], axis=1))
        delay_s = baselines @ (point - source) / C
        vis.append(flux_jy * np.exp(2j * np.pi * delay_s[:, None] * frequency_hz))
    return np.concatenate(sky), np.concatenate(pole), np.concatenate(vis)


FREQUENCY_HZ = 230e9 + 1e7 * np.arange(3)
NAMES = {
    "seconds, NCP": (("UU---NCP", "VV---NCP", "WW---NCP"), True, C),
    "wavelengths, NCP": (("UU-L-NCP", "VV-L-NCP", "WW-L-NCP"), True, C / FREQUENCY_HZ[0]),
    "seconds, SIN": (("UU---SIN", "VV---SIN", "WW---SIN"), False, C),
    "seconds, no frame": (("UU--", "VV--", "WW--"), False, C),
    "one letter": (("U", "V", "W"), False, C),
    "wavelengths, no frame": (("UU-L", "VV-L", "WW-L"), False, C / FREQUENCY_HZ[0]),
    "wavelengths, SIN": (("UU-L-SIN", "VV-L-SIN", "WW-L-SIN"), False, C / FREQUENCY_HZ[0]),
    "seconds, named wavelengths": (("UU-L-SIN", "VV-L-SIN", "WW-L-SIN"), False, C),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("dec_deg", [-30.0, 52.0])
def test_a_point_is_where_it_is_in_any_frame_and_unit(write_uvfits, kind, dec_deg):
    """0.80 Jy at (+1, -2) arcsec."""
    names, polar, unit_m = NAMES[kind]
    sky_m, pole_m, seen = observe(dec_deg, FREQUENCY_HZ, 1.0, -2.0, 0.8)
    data = np.repeat(seen[:, None, :, None], 2, axis=3)
    path = write_uvfits(
        data,
        np.ones(data.shape),
        uvw_s=(pole_m if polar else sky_m) / unit_m,
        names=names,
        frequency=(FREQUENCY_HZ[0], 1e7),
        su={"DECEPO": [dec_deg]},
    )
    vis = read_visibilities(path)
    uvw_m = np.stack([vis["u_m"], vis["v_m"], vis["w_m"]], axis=1)
    np.testing.assert_allclose(uvw_m, sky_m, atol=1e-4)  # single precision in the file, of 1.4 km
    wavelengths = uvw_m[:, :2, None] * vis["frequency_hz"] / C
    turns = wavelengths[:, 0] * ARCSEC - 2 * wavelengths[:, 1] * ARCSEC
    # w (n - 1) is left out: 6e-11 of a million wavelengths.
    assert np.mean(vis["vis"] * np.exp(-2j * np.pi * turns)) == pytest.approx(0.8, abs=5e-4)
    said = [line for line in assumptions(vis.manifest.history) if "w" in line and names[2] in line]
    assert len(said) == (polar or kind == "seconds, named wavelengths")


@pytest.mark.parametrize(
    ("names", "longest", "message"),
    [
        (("UU---TAN", "VV---TAN", "WW---TAN"), 1e-6, "u, v, w in the frame TAN"),
        (("UU---SIN", "VV---SIN", "WW---NCP"), 1e-6, r"of several kinds \(UU---SIN, VV---SIN, WW---NCP\)"),
        (("UU-L-SIN", "VV---SIN", "WW---SIN"), 1e-6, "of several kinds"),
        (("UU---SIN", "VV---SIN", "XX---SIN"), 1e-6, "lacks the random parameter WW"),
        (("UU", "VV", "WW"), 500.0, "up to 500 where light seconds are due: metres or wavelengths"),
    ],
)
def test_baselines_that_cannot_be_known_are_refused(write_uvfits, names, longest, message):
    data = np.ones((2, 1, 3, 2), complex)
    path = write_uvfits(data, np.ones(data.shape), uvw_s=np.full((2, 3), longest), names=names)
    with pytest.raises(ContractError, match=message):
        read_visibilities(path)


def test_rotated_baselines_are_refused(write_uvfits):
    data = np.ones((2, 1, 3, 2), complex)
    path = write_uvfits(data, np.ones(data.shape), header=[("CROTA7", 12.0)])
    with pytest.raises(ContractError, match="u, v rotated on the sky"):
        read_visibilities(path)


def test_baselines_of_b1950_are_turned_to_j2000(write_uvfits):
    """A baseline to the north of B1950 points to where B1950's north lies in J2000."""
    data = np.ones((2, 1, 3, 2), complex)
    uvw_s = np.array([[0.0, 1e-5, 2e-6], [1e-5, 0.0, 0.0]])
    place = {"RAEPO": [202.2], "DECEPO": [60.0], "EPOCH": [1950.0]}
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), uvw_s=uvw_s, su=place))
    here, north = (SkyCoord(202.2, d, unit=units.deg, frame=FK4(equinox="B1950")).icrs for d in (60.0, 60.001))
    angle = np.arctan2((north.ra - here.ra).rad * np.cos(here.dec.rad), (north.dec - here.dec).rad)
    assert abs(angle) > np.radians(0.2)
    np.testing.assert_allclose(vis["u_m"] / C, 1e-5 * np.array([np.sin(angle), np.cos(angle)]), rtol=1e-4)
    np.testing.assert_allclose(vis["v_m"] / C, 1e-5 * np.array([np.cos(angle), -np.sin(angle)]), rtol=1e-4)
    np.testing.assert_allclose(vis["w_m"] / C, [2e-6, 0.0], rtol=1e-6)


@pytest.mark.parametrize("dates", [("DATE", "_DATE"), ("DATE", "DATE2"), ("DATE1", "DATE2"), ("DATE", "DATE")])
def test_halves_of_the_date_are_summed(write_uvfits, dates):
    data = np.ones((60, 1, 2, 2), complex)
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), dates=dates))
    np.testing.assert_allclose(vis["time_mjd_s"], 60000 * 86400 + 10.0 * np.arange(60), atol=0.01)


def test_split_baselines_are_summed(write_uvfits):
    data = np.ones((2, 1, 2, 2), complex)
    path = write_uvfits(
        data, np.ones(data.shape), uvw_s=np.full((2, 3), 1e-6), extra={"_UU": np.full(2, 3e-6), "_WW": np.zeros(2)}
    )
    np.testing.assert_allclose(read_visibilities(path)["u_m"], 4e-6 * C, rtol=1e-6)


def test_parameters_that_are_not_known_are_named(write_uvfits):
    data = np.ones((2, 1, 2, 2), complex)
    known = {"INTTIM": np.ones(2), "CORR-ID": np.ones(2), "GATEID": np.ones(2), "FREQSEL": np.ones(2)}
    path = write_uvfits(data, np.ones(data.shape), extra=known)
    assert not [line for line in read_visibilities(path).manifest.history if "random parameters" in line]
    path = write_uvfits(data, np.ones(data.shape), extra={"GAIN7": np.ones(2)}, file="gain")
    assert any("random parameters GAIN7" in line for line in assumptions(read_visibilities(path).manifest.history))
    for name in ("DATE3", "TIME", "UU2"):
        path = write_uvfits(data, np.ones(data.shape), extra={name: np.ones(2)}, file=name)
        with pytest.raises(ContractError, match=f"random parameter {name}, whose part is not known"):
            read_visibilities(path)


def test_noise_of_each_baseline_with_an_antenna_numbered_0(write_uvfits):
    """Baselines (0, 1) and (0, 2): the latter is three times as noisy."""
    rng = np.random.default_rng(3)
    first, second = np.zeros(400, int), np.tile([1, 2], 200)
    data = some(rng, (400, 1, 4, 2)) * np.where(second == 1, 1.0, 3.0)[:, None, None, None]
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), antennas=(first, second)))
    np.testing.assert_array_equal(vis["antenna1"], 0)
    noise = estimate_noise(vis)
    assert sorted(zip(noise.antenna1.tolist(), noise.antenna2.tolist(), strict=True)) == [(0, 1), (0, 2)]
    ratio = noise.sigma_jy[noise.antenna2 == 2] / noise.sigma_jy[noise.antenna2 == 1]
    assert ratio == pytest.approx(3.0, rel=0.1)


def test_antennas_numbered_below_0_are_refused(write_uvfits):
    data = np.ones((2, 1, 2, 2), complex)
    with pytest.raises(ContractError, match="antennas numbered -1"):
        read_visibilities(write_uvfits(data, np.ones(data.shape), antennas=(-1, 2)))


def test_a_source_that_the_table_lacks_is_refused(write_uvfits):
    data = np.ones((3, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape), sources=("A", "B"), source_of_row=np.array([0, 1, 2]))
    assert read_visibilities(path, field="A").manifest.observation.target == "A"
    with pytest.raises(ContractError, match="source 0, which its SU table lacks"):
        read_visibilities(path, field=0)
    path = write_uvfits(data, np.ones(data.shape), source_of_row=np.full(3, 7), file="one")
    vis = read_visibilities(path)
    assert vis.manifest.observation.target == "A"
    assert any("source 7 is A" in line for line in assumptions(vis.manifest.history))


def two_subarrays(write_uvfits, more, *, alike=False, **arguments):
    """Rows of subarray 1 and 2 by turns, all of antennas 1 and 2."""
    rng = np.random.default_rng(5)
    subarray = np.tile([1, 2], 200)
    data = some(rng, (400, 1, 4, 2)) * np.where(subarray == 1, 1.0, 3.0)[:, None, None, None]
    return write_uvfits(
        data, np.ones(data.shape), subarray=subarray, more_antennas=[("A" if alike else "B", more)], **arguments
    )


def test_subarrays_of_two_dishes_are_refused(write_uvfits):
    path = two_subarrays(write_uvfits, (12.0, 12.0), diameters=(7.0, 7.0, 12.0))
    message = (
        r"several diameters \(7 m: 1 of subarray 1, 2 of subarray 1; 12 m: 1 of subarray 2, 2 of subarray 2\), "
        "which share no primary beam; split it"
    )
    with pytest.raises(ContractError, match=message):
        read_visibilities(path)


def test_antennas_of_two_diameters_are_refused_if_they_observed(write_uvfits):
    data = np.ones((3, 1, 2, 2), complex)
    diameters = (12.0, 12.05, 7.0)
    path = write_uvfits(data, np.ones(data.shape), diameters=diameters)
    assert read_visibilities(path).manifest.observation.dish_diameter_m == pytest.approx(12.025)
    path = write_uvfits(data, np.ones(data.shape), diameters=diameters, antennas=([1, 1, 2], [2, 3, 3]), file="mixed")
    with pytest.raises(ContractError, match=r"7 m: 3; 12 m: 1, 2.*split\(antenna='3&'\)"):
        read_visibilities(path)


@pytest.mark.parametrize("alike", [False, True])
def test_noise_of_each_subarray(write_uvfits, alike):
    """Equal numbers are one antenna only where the tables are equal, as CASA writes them for observations."""
    path = two_subarrays(write_uvfits, (25.0, 25.0, 25.0), alike=alike)
    noise = estimate_noise(read_visibilities(path))
    pairs = list(zip(noise.antenna1.tolist(), noise.antenna2.tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) == (1 if alike else 2)
    if not alike:
        assert len({antenna for pair in pairs for antenna in pair}) == 4
        assert noise.sigma_jy[1] / noise.sigma_jy[0] == pytest.approx(3.0, rel=0.1)


def test_subarray_as_a_parameter(write_uvfits):
    data = np.ones((4, 1, 2, 2), complex)
    extra = {"SUBARRAY": np.array([1, 2, 1, 2]), "ANTENNA1": np.ones(4), "ANTENNA2": np.full(4, 300.0)}
    path = write_uvfits(data, np.ones(data.shape), extra=extra, more_antennas=[("B", (25.0,))])
    vis = read_visibilities(path)
    assert len(set(vis["antenna2"].tolist())) == 2
    assert any("antenna 300, which the AN table lacks" in line for line in assumptions(vis.manifest.history))


def test_a_subarray_without_a_table_has_the_only_antennas(write_uvfits):
    data = np.ones((4, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape), subarray=np.array([1, 2, 1, 2]))
    vis = read_visibilities(path)
    assert len(set(vis["antenna2"].tolist())) == 1
    assert any("subarray 2 has the antennas of AIPS AN table 1" in s for s in assumptions(vis.manifest.history))


VLA = np.array([-1601185.0, -5041977.5, 3554875.9])
CHAJNANTOR = np.array([2225142.2, -5440307.4, -2481029.9])


def with_places(path, origin, dates, *, left=False):
    """Give antenna table 1 the place of the VLA, 2 that of ALMA, and each a reference date."""
    with fits.open(path) as hdus:
        hdus[0].header["ORIGIN"] = origin
        tables = [hdu for hdu in hdus if hdu.name == "AIPS AN"]
        for table, place, date in zip(tables, (VLA, CHAJNANTOR), dates, strict=True):
            at = hdus.index(table)
            xyz = place * (1, -1, 1) if left else place
            column = fits.Column("STABXYZ", "3D", array=np.tile(xyz, (len(table.data), 1)))
            hdus[at] = fits.BinTableHDU.from_columns([*table.columns, column], name="AIPS AN", ver=table.ver)
            hdus[at].header["RDATE"] = date
            hdus[at].header["XYZHAND"] = "LEFT" if left else "RIGHT"
        hdus.writeto(path, overwrite=True)


@pytest.mark.parametrize("left", [False, True])
def test_position_is_that_of_the_subarray_that_observed(write_uvfits, left):
    data = np.ones((4, 1, 2, 2), complex)
    path = write_uvfits(
        data, np.ones(data.shape), subarray=np.full(4, 2), diameters=(25.0, 25.0), more_antennas=[("B", (12.0, 12.0))]
    )
    with_places(path, "casacore", ("2023-02-25", "2023-02-25"), left=left)
    sky = read_visibilities(path).manifest.observation
    assert sky.array_position_m == pytest.approx(tuple(CHAJNANTOR))
    assert sky.dish_diameter_m == 12.0


@pytest.mark.parametrize(
    ("origin", "second_date", "shift_days"),
    [("AIPS", "2023-02-20", -5), ("AIPS", "25/02/23", 0), ("AIPS", "2023-02-25", 0), ("casacore", "2023-02-20", 0)],
)
def test_times_of_a_later_subarray(write_uvfits, origin, second_date, shift_days):
    """AIPS adds 5 days for each further subarray. The data are of MJD 60000, 2023-02-25."""
    path = two_subarrays(write_uvfits, (25.0, 25.0, 25.0))
    with_places(path, origin, ("2023-02-25", second_date))
    vis = read_visibilities(path)
    of_second = vis["antenna1"] > 0
    assert of_second.sum() == 200
    expected = 60000 * 86400 + 10.0 * np.arange(400) + np.tile([0.0, shift_days * 86400.0], 200)
    order = np.argsort(of_second, kind="stable")
    np.testing.assert_allclose(
        vis["time_mjd_s"][order], expected[np.argsort(np.tile([0, 1], 200), kind="stable")], atol=0.1
    )
    said = [line for line in assumptions(vis.manifest.history) if "times of subarray 2 are 5 days late" in line]
    assert len(said) == (shift_days != 0)


def test_info_says_what_was_assumed(write_uvfits):
    data = np.ones((20, 1, 2, 2), complex) + 0.1 * some(np.random.default_rng(2), (20, 1, 2, 2))
    path = write_uvfits(
        data,
        np.ones(data.shape),
        uvw_s=np.full((20, 3), 1e-6),
        names=("UU---NCP", "VV---NCP", "WW---NCP"),
        header=[("VELREF", 257)],
    )
    result = CliRunner().invoke(app, ["info", str(path)])
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "assumed that WW---NCP is towards the north celestial pole" in told
    assert "assumed that frequencies are in the frame of velocities, LSRK" in told
