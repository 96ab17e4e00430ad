import gzip

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import ContractError
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.stream import source
from vis_gridder.stream.source import ROW_ARRAYS, collect

C = 299_792_458.0


def some(rng, shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def test_hands_are_averaged_by_weight_and_units_are_ours(write_uvfits):
    rng = np.random.default_rng(0)
    data = some(rng, (6, 1, 4, 2))
    weight = rng.uniform(1, 3, data.shape)
    weight[2, 0, 1, 0] = -weight[2, 0, 1, 0]
    weight[3, 0, 2] = 0
    uvw = rng.standard_normal((6, 3)) * 1e-6
    vis = read_visibilities(write_uvfits(data, weight, uvw_s=uvw, antennas=([1, 1, 2, 1, 2, 3], [2, 3, 3, 2, 3, 3])))
    rows = slice(0, 5)  # the last is an autocorrelation
    good = np.where(weight > 0, weight, 0)[rows, 0]
    total = good.sum(axis=-1)
    expected = (data[rows, 0] * good).sum(axis=-1) / np.where(total > 0, total, 1)
    # float32 in the file: 1e-7 of numbers of order one.
    np.testing.assert_allclose(vis["vis"], expected, atol=1e-6)
    np.testing.assert_allclose(vis["weight"], total, rtol=1e-6)
    np.testing.assert_array_equal(vis["flag"], total == 0)
    np.testing.assert_allclose(np.stack([vis["u_m"], vis["v_m"], vis["w_m"]], 1), uvw[rows] * C, rtol=1e-6)
    np.testing.assert_array_equal(vis["antenna2"], [1, 2, 2, 1, 2])
    np.testing.assert_allclose(vis["time_mjd_s"], 60000 * 86400 + 10.0 * np.arange(5), atol=0.01)
    np.testing.assert_allclose(vis["frequency_hz"], 1.4e9 + 1e5 * np.arange(4), rtol=1e-12)
    sky = vis.manifest.observation
    assert (sky.target, sky.telescope, sky.dish_diameter_m) == ("A", "VLA", 25.0)
    assert (sky.phase_centre_ra_deg, sky.phase_centre_dec_deg) == (150.0, -30.0)
    assert sky.rest_frequency_hz == pytest.approx(1.420405752e9)
    assert any("autocorrelations" in line for line in vis.manifest.history)


def test_descending_channels_are_flipped(write_uvfits):
    rng = np.random.default_rng(1)
    data = some(rng, (3, 1, 5, 2))
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), frequency=(1.4e9, -1e5)))
    np.testing.assert_allclose(vis["frequency_hz"], 1.4e9 + 1e5 * np.arange(-4, 1), rtol=1e-12)
    np.testing.assert_allclose(vis["vis"], data[:, 0, ::-1].mean(axis=-1), atol=1e-6)
    assert any("flipped" in line for line in vis.manifest.history)


def test_one_if_and_one_source_are_chosen(write_uvfits):
    rng = np.random.default_rng(2)
    data = some(rng, (4, 2, 3, 2))
    path = write_uvfits(data, np.ones(data.shape), sources=("A", "B"), source_of_row=np.array([1, 2, 1, 2]))
    with pytest.raises(ContractError, match=r"choose one by spw=: 0 \(IF 1\), 1 \(IF 2\)"):
        read_visibilities(path, field="B")
    with pytest.raises(ContractError, match=r"choose one by field=: 1 \(A\), 2 \(B\)"):
        read_visibilities(path, spw=1)
    with pytest.raises(ContractError, match="no field=C"):
        read_visibilities(path, spw=1, field="C")
    vis = read_visibilities(path, spw=1, field="B")
    np.testing.assert_allclose(vis["vis"], data[1::2, 1].mean(axis=-1), atol=1e-6)
    assert vis["frequency_hz"][0] == pytest.approx(1.41e9)
    assert vis.manifest.observation.phase_centre_ra_deg == 151.0


def test_wavelengths_and_other_names_of_u(write_uvfits):
    data = np.ones((2, 1, 3, 2), complex)
    names = ("UU-L-SIN", "VV-L-SIN", "WW-L-SIN")
    path = write_uvfits(data, np.ones(data.shape), uvw_s=np.full((2, 3), 100.0), names=names)
    np.testing.assert_allclose(read_visibilities(path)["u_m"], 100.0 * C / 1.4e9, rtol=1e-6)


def test_stokes_i_is_taken_as_it_is_and_cross_hands_are_refused(write_uvfits):
    data = some(np.random.default_rng(3), (2, 1, 3, 1))
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), stokes=(1, 1)))
    np.testing.assert_allclose(vis["vis"], data[:, 0, :, 0], atol=1e-6)
    with pytest.raises(ContractError, match="no parallel-hand"):
        read_visibilities(write_uvfits(data, np.ones(data.shape), stokes=(-3, -1), file="cross"))


def test_dish_from_the_telescope_where_the_table_is_silent(write_uvfits):
    data = np.ones((2, 1, 3, 2), complex)
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), diameters=(0, 0, 0)))
    assert vis.manifest.observation.dish_diameter_m == 25.0
    assert any(line.startswith("assumed a dish of 25 m") for line in vis.manifest.history)


def test_b1950_is_precessed(write_uvfits):
    data = np.ones((2, 1, 3, 2), complex)
    path = write_uvfits(data, np.ones(data.shape), header=[("EPOCH", 2000.0)])
    with fits.open(path, mode="update") as hdus:
        hdus["AIPS SU"].data["EPOCH"] = 1950.0
        hdus["AIPS SU"].data["RAEPO"], hdus["AIPS SU"].data["DECEPO"] = 202.2069071, 30.7662889
    sky = read_visibilities(path).manifest.observation
    # 3C 286 in the VLA calibrator list: 13h28m49.6577s +30d45m58.640s (B1950) is 13h31m08.28798s +30d30m32.9588s.
    # A source without proper motion comes out to 0.1 arcsec.
    assert sky.phase_centre_ra_deg == pytest.approx(202.7845333, abs=1e-4)
    assert sky.phase_centre_dec_deg == pytest.approx(30.5091552, abs=1e-4)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.02])
def test_truncated_files_say_so(write_uvfits, compress, kept):
    data = some(np.random.default_rng(4), (500, 1, 20, 2))
    path = write_uvfits(data, np.ones(data.shape))
    raw = path.read_bytes()
    if compress:
        raw = gzip.compress(raw)
    path.write_bytes(raw[: int(kept * len(raw))])
    with pytest.raises(ContractError, match=r"^\S*some.thing: .*(truncated|cannot be read)") as error:
        read_visibilities(path)
    assert "\n" not in str(error.value)


def test_bad_samples(write_uvfits):
    data = some(np.random.default_rng(5), (4, 1, 3, 2))
    weight = np.ones(data.shape)
    with pytest.raises(ContractError, match="all data flagged"):
        read_visibilities(write_uvfits(data, -weight, file="flagged"))
    weight[1, 0, 1, 0] = np.nan
    with pytest.raises(ContractError, match="NaN, infinite or negative in 1 unflagged"):
        read_visibilities(write_uvfits(data, weight, file="weights"))
    uvw = np.zeros((4, 3))
    uvw[2, 1] = np.nan
    with pytest.raises(ContractError, match="v_m that is NaN or infinite in 1 rows"):
        read_visibilities(write_uvfits(data, np.ones(data.shape), uvw_s=uvw, file="uvw"))
    data[3, 0, 0] = np.nan
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), file="vis"))
    assert vis["flag"][3, 0]
    assert vis["flag"].sum() == 1
    assert any("not finite" in line for line in vis.manifest.history)


@pytest.mark.parametrize(("frequency", "unit"), [((230.538, 1e-3), "GHz"), ((1420.4, 1e-2), "MHz")])
def test_frequencies_in_other_units(write_uvfits, frequency, unit):
    data = np.ones((2, 1, 3, 2), complex)
    with pytest.raises(ContractError, match=f"{unit}, it seems; Hz is due"):
        read_visibilities(write_uvfits(data, np.ones(data.shape), frequency=frequency))


def test_images_are_not_visibilities(tmp_path):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    with pytest.raises(ContractError, match="not visibilities"):
        read_visibilities(path)


def test_scans_from_pauses(write_uvfits):
    data = np.ones((20, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape))
    with fits.open(path, mode="update") as hdus:
        hdus[0].data.field(4)[12:] += 600.0 / 86400.0
    np.testing.assert_array_equal(read_visibilities(path)["scan"], np.repeat([1, 2], [12, 8]))


def test_scans_are_chosen_by_their_count(write_uvfits):
    data = np.ones((20, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape))
    with fits.open(path, mode="update") as hdus:
        hdus[0].data.field(4)[8:] += 600.0 / 86400.0
        hdus[0].data.field(4)[12:] += 600.0 / 86400.0
    vis = read_visibilities(path, scan="1,3")
    np.testing.assert_array_equal(vis["scan"], np.repeat([1, 3], [8, 8]))
    (found,) = open_visibilities(path, scan=2)
    assert found.n_rows == 4
    # float32 days in the file: 0.03 s.
    assert found.start_mjd_s == pytest.approx(60000 * 86400 + 80.0 + 600.0, abs=0.1)
    with pytest.raises(ContractError, match="has no scan=4; it holds 1~3"):
        read_visibilities(path, scan=4)


def test_several_ifs_are_several_streams(write_uvfits):
    data = some(np.random.default_rng(6), (4, 3, 2, 2))
    path = write_uvfits(data, np.ones(data.shape))
    for number, stream in zip((2, 0), open_visibilities(path, spw="2,IF 1"), strict=True):
        assert stream.frequency_hz[0] == pytest.approx(1.4e9 + 1e7 * number)
        np.testing.assert_allclose(collect(stream)["vis"], data[:, number].mean(axis=-1), atol=1e-6)
    assert len(open_visibilities(path, spw="all")) == 3
    with fits.open(path, mode="update") as hdus:
        hdus["AIPS FQ"].data["CH WIDTH"] = [1e5, 1e5, 2e5]
    with pytest.raises(ContractError, match="windows of different channel widths"):
        open_visibilities(path, spw="all")
    assert len(open_visibilities(path, spw="all", allow_mixed_widths=True)) == 3


@pytest.mark.parametrize("compress", [False, True])
def test_blocks_are_bounded_and_passes_are_alike(write_uvfits, monkeypatch, compress):
    data = some(np.random.default_rng(7), (23, 1, 5, 2))
    path = write_uvfits(data, np.ones(data.shape))
    if compress:
        path.write_bytes(gzip.compress(path.read_bytes()))
    # A group is 7 parameters and 5 x 2 x 3 numbers of 4 bytes; 4 of them make a block.
    monkeypatch.setattr(source, "BLOCK_BYTES", 4 * 4 * (7 + 30))
    (found,) = open_visibilities(path)
    passes = [list(found.blocks()) for _ in range(2)]
    assert {block.u_m.size for block in passes[0]} == {4, 3}
    assert sum(block.u_m.size for block in passes[0]) == found.n_rows == 23
    np.testing.assert_allclose(
        np.concatenate([block.vis for block in passes[0]]), data[:, 0].mean(axis=-1), atol=1e-6
    )
    for one, other in zip(*passes, strict=True):
        for name, first, second in zip(ROW_ARRAYS, one, other, strict=True):
            np.testing.assert_array_equal(first, second, err_msg=name)
    assert found.start_mjd_s == passes[0][0].time_mjd_s[0]


def test_scaled_integers_as_aips_writes_them(tmp_path, write_uvfits):
    rng = np.random.default_rng(8)
    data = some(rng, (5, 1, 3, 2))
    plain = write_uvfits(data, np.ones(data.shape))
    with fits.open(plain) as hdus:
        header, values = hdus[0].header.copy(), np.asarray(hdus[0].data.field("DATA"))
        parameters = [np.asarray(hdus[0].data.field(i), float) for i in range(header["PCOUNT"])]
    scale = 2.0**-12
    header["BITPIX"], header["BSCALE"], header["BZERO"], header["BLANK"] = 16, scale, 0.5, -32768
    stored = np.rint((values - 0.5) / scale)
    stored[2, ..., 1, 0, 0] = -32768
    columns = []
    for i, values in enumerate(parameters):
        span = max(np.ptp(values), 1.0)
        header[f"PSCAL{i + 1}"], header[f"PZERO{i + 1}"] = span / 20000.0, values.min()
        columns.append(np.rint((values - values.min()) / span * 20000.0))
    groups = np.concatenate([np.stack(columns, 1), stored.reshape(5, -1)], axis=1).astype(">i2").tobytes()
    head = header.tostring().encode()
    path = tmp_path / "integers"
    with fits.open(plain) as hdus:
        start, span = hdus[1].fileinfo()["hdrLoc"], plain.read_bytes()
    path.write_bytes(head + groups + bytes(-len(groups) % 2880) + span[start:])
    vis = read_visibilities(path)
    expected = data[:, 0].mean(axis=-1)
    expected[2, 1] = data[2, 0, 1, 1]  # the other hand stands for a blank
    # Half a step of the integers in each part of each hand.
    np.testing.assert_allclose(vis["vis"], expected, atol=scale)


def test_the_setup_that_the_data_name_is_looked_up(write_uvfits):
    data = np.ones((3, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape))
    with fits.open(path) as hdus:
        table = hdus["AIPS FQ"]
        rows = np.concatenate([np.asarray(table.data), np.asarray(table.data)])
        rows["FRQSEL"], rows["IF FREQ"] = [1, 2], [0.0, 5e6]
        hdus["AIPS FQ"] = fits.BinTableHDU(rows, name="AIPS FQ")
        hdus[0].header["PTYPE7"] = "FREQSEL"
        hdus[0].data.field(6)[:] = 2
        hdus.writeto(path, overwrite=True)
    assert read_visibilities(path)["frequency_hz"][0] == pytest.approx(1.405e9)


@pytest.mark.parametrize("centre", [(-1601185.0, -5041977.5, 3554875.9), (0.0, 0.0, 0.0)])
def test_position_of_the_array(write_uvfits, centre):
    data = np.ones((3, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape))
    vla = np.array([-1601185.0, -5041977.5, 3554875.9])
    relative = np.array([[-50.0, 0, 0], [50.0, 0, 0], [9e5, 0, 0]])  # the last did not observe
    with fits.open(path) as hdus:
        table = hdus["AIPS AN"]
        place = fits.Column("STABXYZ", "3D", array=relative if any(centre) else vla + relative)
        columns = fits.BinTableHDU.from_columns([*table.columns, place], name="AIPS AN")
        for axis, value in zip("XYZ", centre, strict=True):
            columns.header[f"ARRAY{axis}"] = value
        hdus["AIPS AN"] = columns
        hdus.writeto(path, overwrite=True)
    assert read_visibilities(path).manifest.observation.array_position_m == pytest.approx(tuple(vla))


def test_no_position_where_there_is_none_on_earth(write_uvfits):
    """Without STABXYZ, and with the local coordinates of a simulator."""
    data = np.ones((3, 1, 2, 2), complex)
    path = write_uvfits(data, np.ones(data.shape))
    assert read_visibilities(path).manifest.observation.array_position_m is None
    with fits.open(path) as hdus:
        place = fits.Column("STABXYZ", "3D", array=np.full((3, 3), 500.0))
        hdus["AIPS AN"] = fits.BinTableHDU.from_columns([*hdus["AIPS AN"].columns, place], name="AIPS AN")
        hdus.writeto(path, overwrite=True)
    assert read_visibilities(path).manifest.observation.array_position_m is None


def test_channels_closer_than_numbers_can_tell(write_uvfits):
    data = np.ones((3, 1, 4, 2), complex)
    with pytest.raises(ContractError, match="irregular channels"):
        read_visibilities(write_uvfits(data, np.ones(data.shape), frequency=(1.4e9, 1e-8)))
