import builtins
import shutil

import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder import read_visibilities
from vis_gridder.readers import measurement_set

tables = pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")

N_CHANNELS = 5
FREQUENCY = 1.4e9 + 1e5 * np.arange(N_CHANNELS)


def rows_of(path, name, n, **columns):
    table = tables.table(f"{path}/{name}", ack=False, readonly=False)
    table.addrows(n)
    for column, values in columns.items():
        for row, value in enumerate(values):
            table.putcell(column, row, value)
    table.close()


@pytest.fixture
def make_ms(tmp_path):
    """Return a function that writes a Measurement Set of 3 antennas (autocorrelations too), 4 integrations."""

    def make(
        *,
        column="DATA",
        frequency=FREQUENCY,
        width=None,
        corr_type=(5, 6, 7, 8),
        n_fields=1,
        n_spws=1,
        spectrum=False,
        edit=None,
        name="odd name",
    ):
        path = tmp_path / name
        rng = np.random.default_rng(0)
        n_corr, n_channels = len(corr_type), len(frequency)
        shape = {"ndim": 2}
        extra = tables.maketabdesc(
            [tables.makearrcoldesc(column, 0j, valuetype="complex", **shape)]
            + ([tables.makearrcoldesc("WEIGHT_SPECTRUM", 0.0, valuetype="float", **shape)] if spectrum else [])
        )
        main = tables.default_ms(str(path), extra)
        width = np.full(n_channels, 1e5) if width is None else width
        rows_of(
            path,
            "SPECTRAL_WINDOW",
            n_spws,
            CHAN_FREQ=[np.asarray(frequency) + 1e8 * i for i in range(n_spws)],
            CHAN_WIDTH=[width] * n_spws,
            NUM_CHAN=[n_channels] * n_spws,
            MEAS_FREQ_REF=[5] * n_spws,
            NAME=[f"window{i}" for i in range(n_spws)],
        )
        rows_of(path, "DATA_DESCRIPTION", n_spws, SPECTRAL_WINDOW_ID=range(n_spws), POLARIZATION_ID=[0] * n_spws)
        rows_of(path, "POLARIZATION", 1, CORR_TYPE=[np.array(corr_type)], NUM_CORR=[n_corr])
        rows_of(
            path,
            "FIELD",
            n_fields,
            NAME=[f"galaxy{i}" for i in range(n_fields)],
            PHASE_DIR=[np.array([[-1.0, 0.2]])] * n_fields,
            SOURCE_ID=range(n_fields),
        )
        rows_of(path, "ANTENNA", 3, DISH_DIAMETER=[25.0] * 3, NAME=list("abc"))
        rows_of(path, "OBSERVATION", 1, TELESCOPE_NAME=["VLA"])
        pairs = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2)]
        keys = [(t, f, d, p) for t in range(4) for f in range(n_fields) for d in range(n_spws) for p in pairs]
        n = len(keys)
        main.addrows(n)
        value = {
            column: rng.standard_normal((n, n_channels, n_corr)) + 1j * rng.standard_normal((n, n_channels, n_corr)),
            "FLAG": rng.random((n, n_channels, n_corr)) < 0.2,
            "FLAG_ROW": np.arange(n) % 11 == 7,
            "WEIGHT": rng.uniform(1, 2, (n, n_corr)).astype(np.float32),
            "SIGMA": np.ones((n, n_corr), np.float32),
            "UVW": 100 * rng.standard_normal((n, 3)),
            "TIME": np.array([5e9 + 10.0 * k[0] for k in keys]),
            "FIELD_ID": np.array([k[1] for k in keys]),
            "DATA_DESC_ID": np.array([k[2] for k in keys]),
            "ANTENNA1": np.array([k[3][0] for k in keys]),
            "ANTENNA2": np.array([k[3][1] for k in keys]),
            "SCAN_NUMBER": np.full(n, 4),
        }
        if spectrum:
            value["WEIGHT_SPECTRUM"] = rng.uniform(1, 2, value[column].shape).astype(np.float32)
        if edit:
            edit(value)
        for key, array in value.items():
            main.putcol(key, array)
        main.close()
        return path, value

    return make


def expected_stokes_i(value, column, hands, weights):
    cross = (value["ANTENNA1"] != value["ANTENNA2"]) & (value["FIELD_ID"] == 0) & (value["DATA_DESC_ID"] == 0)
    flag = value["FLAG"][cross][..., hands] | value["FLAG_ROW"][cross][:, None, None]
    weight = np.where(flag, 0, weights[cross][..., hands])
    total = weight.sum(-1)
    return (value[column][cross][..., hands] * weight).sum(-1) / np.where(total > 0, total, 1), total, cross


@pytest.mark.parametrize("spectrum", [False, True])
@pytest.mark.parametrize("rows_at_once", [None, 2])
def test_stokes_i_flags_and_weights(make_ms, monkeypatch, spectrum, rows_at_once):
    if rows_at_once:
        monkeypatch.setattr(measurement_set, "CHUNK_BYTES", rows_at_once * 8 * 4 * N_CHANNELS)
    path, value = make_ms(spectrum=spectrum)
    vis = read_visibilities(path)
    weights = value["WEIGHT_SPECTRUM"] if spectrum else np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1)
    data, total, cross = expected_stokes_i(value, "DATA", [0, 3], weights)
    # complex64 in the table: 1e-7 of numbers of order one.
    np.testing.assert_allclose(vis["vis"], data, atol=1e-6)
    np.testing.assert_allclose(vis["weight"], total, rtol=1e-6)
    np.testing.assert_array_equal(vis["flag"], total == 0)
    np.testing.assert_array_equal(vis["u_m"], value["UVW"][cross, 0])
    np.testing.assert_array_equal(vis["scan"], 4)
    sky = vis.manifest.observation
    assert (sky.target, sky.telescope, sky.frequency_frame, sky.dish_diameter_m) == ("galaxy0", "VLA", "TOPO", 25.0)
    assert sky.phase_centre_ra_deg == pytest.approx(360 - np.degrees(1.0))
    assert sky.rest_frequency_hz is None


def test_corrected_data_come_first_and_history_says_so(make_ms):
    path, value = make_ms(column="CORRECTED_DATA", corr_type=(9, 12))
    vis = read_visibilities(path)
    data, _, _ = expected_stokes_i(
        value, "CORRECTED_DATA", [0, 1], np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1)
    )
    np.testing.assert_allclose(vis["vis"], data, atol=1e-6)
    assert "CORRECTED_DATA" in vis.manifest.history[0]
    assert "XX and YY" in vis.manifest.history[1]


def test_descending_channels_are_flipped(make_ms):
    path, value = make_ms(frequency=1.4e9 - 1e5 * np.arange(N_CHANNELS), width=np.full(N_CHANNELS, -1e5))
    vis = read_visibilities(path)
    data, _, _ = expected_stokes_i(value, "DATA", [0, 3], np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1))
    np.testing.assert_allclose(vis["vis"], data[:, ::-1], atol=1e-6)
    assert np.all(np.diff(vis["frequency_hz"]) > 0)
    assert np.all(vis["channel_width_hz"] == 1e5)


def test_field_and_window_are_chosen_by_name_or_number(make_ms):
    path, value = make_ms(n_fields=2, n_spws=2)
    with pytest.raises(ContractError, match=r"choose one by field=: 0 \(galaxy0\), 1 \(galaxy1\)"):
        read_visibilities(path)
    with pytest.raises(ContractError, match=r"choose one by spw=: 0 \(window0\), 1 \(window1\)"):
        read_visibilities(path, field="galaxy1")
    vis = read_visibilities(path, field="galaxy1", spw=1)
    cross = (value["ANTENNA1"] != value["ANTENNA2"]) & (value["FIELD_ID"] == 1) & (value["DATA_DESC_ID"] == 1)
    np.testing.assert_array_equal(vis["u_m"], value["UVW"][cross, 0])
    assert vis["frequency_hz"][0] == 1.5e9


def test_time_in_tai_becomes_utc(make_ms):
    path, _ = make_ms()
    table = tables.table(str(path), ack=False, readonly=False)
    info = table.getcolkeyword("TIME", "MEASINFO")
    table.putcolkeyword("TIME", "MEASINFO", {**info, "Ref": "TAI"})
    table.close()
    # 5e9 s is in April 2017, when TAI - UTC was 37 s (IERS Bulletin C 52).
    assert read_visibilities(path)["time_mjd_s"][0] == pytest.approx(5e9 - 37.0, abs=1e-3)


def flag_all(value):
    value["FLAG"][:] = True


def no_weight(value):
    value["WEIGHT"][:] = 0


def nan_weight(value):
    value["WEIGHT"][6] = np.nan


def negative_weight(value):
    value["WEIGHT"][6] = -1


def nan_uvw(value):
    value["UVW"][6, 2] = np.nan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edit": flag_all}, "all data flagged"),
        ({"edit": no_weight}, "without weight"),
        ({"edit": nan_weight}, "weights that are NaN"),
        ({"edit": negative_weight}, "weights that are NaN, infinite or negative"),
        ({"edit": nan_uvw}, "w_m that is NaN"),
        ({"frequency": 1.4 + 1e-4 * np.arange(5)}, "GHz, it seems; Hz is due"),
        ({"frequency": 1400 + 0.1 * np.arange(5)}, "MHz, it seems; Hz is due"),
        ({"width": np.array([1e5, 1e5, 2e5, 1e5, 1e5])}, "irregular channels"),
        ({"frequency": 1.4e9 + 1e5 * np.array([0, 1, 3, 4, 5])}, "irregular channels"),
        ({"corr_type": (6, 7)}, "no parallel-hand"),
    ],
)
def test_unusable_data_get_one_line(make_ms, options, message):
    path, _ = make_ms(**options)
    with pytest.raises(ContractError, match=message) as error:
        read_visibilities(path)
    assert "\n" not in str(error.value)


def test_flagged_rows_may_hold_anything(make_ms):
    def edit(value):
        value["FLAG_ROW"][6] = True
        value["UVW"][6] = np.nan
        value["WEIGHT"][6] = np.nan

    path, _ = make_ms(edit=edit)
    assert np.all(np.isfinite(read_visibilities(path)["u_m"]))


def test_missing_column(make_ms):
    path, _ = make_ms()
    table = tables.table(str(path), ack=False, readonly=False)
    table.removecols(["DATA"])
    table.close()
    with pytest.raises(ContractError, match="lacks column DATA or CORRECTED_DATA"):
        read_visibilities(path)


@pytest.mark.parametrize("victim", ["table.dat", "largest", "SPECTRAL_WINDOW", "FIELD/table.dat"])
def test_damage_gets_one_line(make_ms, victim):
    path, _ = make_ms()
    if victim == "largest":
        target = max(path.glob("table.f*"), key=lambda file: file.stat().st_size)
        target.write_bytes(target.read_bytes()[:100])
    elif (path / victim).is_dir():
        shutil.rmtree(path / victim)
    else:
        (path / victim).write_bytes(b"")
    with pytest.raises(ContractError, match="damaged Measurement Set") as error:
        read_visibilities(path)
    assert "\n" not in str(error.value)


def test_without_casacore_the_install_command_is_told(make_ms, monkeypatch):
    path, _ = make_ms()
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("casacore"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ContractError, match=r'pip install "vis-gridder\[casa\]"'):
        read_visibilities(path)
