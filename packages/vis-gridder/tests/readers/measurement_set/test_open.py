import builtins
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.readers.measurement_set.probe import probe
from vis_gridder.stream import source
from vis_gridder.stream.source import ROW_ARRAYS, collect

tables = pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")

N_CHANNELS = 5


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
        monkeypatch.setattr(source, "BLOCK_BYTES", rows_at_once * 8 * 4 * N_CHANNELS)
    path, value = make_ms(spectrum=spectrum)
    vis = read_visibilities(path)
    weights = value["WEIGHT_SPECTRUM"] if spectrum else np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1)
    data, total, cross = expected_stokes_i(value, "DATA", [0, 3], weights)
    # complex64 in the table: 1e-7 of numbers of order one.
    np.testing.assert_allclose(vis["vis"], data, atol=1e-6)
    np.testing.assert_allclose(vis["weight"], total, rtol=1e-6)
    np.testing.assert_array_equal(vis["flag"], total == 0)
    np.testing.assert_array_equal(vis["u_m"], value["UVW"][cross, 0])
    np.testing.assert_array_equal(vis["scan"], value["SCAN_NUMBER"][cross])
    sky = vis.manifest.observation
    assert (sky.target, sky.telescope, sky.frequency_frame, sky.dish_diameter_m) == ("galaxy0", "VLA", "TOPO", 25.0)
    assert sky.phase_centre_ra_deg == pytest.approx(360 - np.degrees(1.0))
    assert sky.rest_frequency_hz is None
    # The middle one of three antennas in a row is their mean.
    assert sky.array_position_m == pytest.approx((-1601185.0 + 300.0, -5041977.5 + 400.0, 3554875.9 + 500.0))


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
    with pytest.raises(
        ContractError, match=r"choose one by field=: 0 \(galaxy0\) at .* 1 \(galaxy1\) at .*, 34.4 arcmin off"
    ):
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


def same_rows(vis, value, mask):
    cross = (value["ANTENNA1"] != value["ANTENNA2"]) & mask
    np.testing.assert_array_equal(vis["w_m"], value["UVW"][cross, 2])


def test_scans_are_chosen_as_in_casa(make_ms):
    path, value = make_ms()
    vis = read_visibilities(path, scan="4,6~9")
    same_rows(vis, value, value["SCAN_NUMBER"] != 5)
    assert "kept scans 4,6~9" in vis.manifest.history
    with pytest.raises(ContractError, match="has no scan=9; it holds 4~7"):
        read_visibilities(path, scan="4,9")
    with pytest.raises(ContractError, match="cannot select scan=4-5"):
        read_visibilities(path, scan="4-5")
    (found,) = open_visibilities(path, scan=6)
    # The third integration, in 10 s steps.
    assert found.start_mjd_s == 5e9 + 20.0
    assert found.n_rows == 3


def test_one_observation_of_several(make_ms):
    path, value = make_ms()
    same_rows(read_visibilities(path, observation=1), value, value["OBSERVATION_ID"] == 1)
    with pytest.raises(ContractError, match="has no observation=2; it holds 0"):
        read_visibilities(path, observation=2)
    with pytest.raises(ContractError, match="has no scan=5; it holds 4,6"):
        read_visibilities(path, observation=0, scan=5)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["0,2", "window0, window2", (0, "window2"), [2, 0]])
def test_several_windows_are_several_streams(make_ms, wanted):
    path, value = make_ms(n_spws=3)
    found = open_visibilities(path, spw=wanted)
    order = [2, 0] if wanted == [2, 0] else [0, 2]
    for number, stream in zip(order, found, strict=True):
        same_rows(collect(stream), value, value["DATA_DESC_ID"] == number)
        assert stream.frequency_hz[0] == 1.4e9 + 1e8 * number
    assert len(open_visibilities(path, spw="all")) == 3
    with pytest.raises(ContractError, match="holds several that fit spw=all"):
        read_visibilities(path, spw="all")
    with pytest.raises(ContractError, match=r"has no spw=5; it holds 0 \(window0\)"):
        open_visibilities(path, spw="0,5")


def test_windows_of_different_widths_are_refused_unless_they_will_be_regridded(make_ms):
    path, _ = make_ms(n_spws=2, width=[np.full(N_CHANNELS, 1e5), np.full(N_CHANNELS, 1.02e5)])
    with pytest.raises(ContractError, match=r"choose windows of one width by --spw, or regrid with --channel-width"):
        open_visibilities(path, spw="all")
    assert len(open_visibilities(path, spw="all", allow_mixed_widths=True)) == 2
    assert len(open_visibilities(path, spw=1)) == 1


def test_blocks_are_bounded_and_passes_are_alike(make_ms, monkeypatch):
    path, value = make_ms(spectrum=True, edit=lambda value: value["WEIGHT_SPECTRUM"].__setitem__(6, 0))
    monkeypatch.setattr(source, "BLOCK_BYTES", 2 * 8 * 4 * N_CHANNELS)
    (found,) = open_visibilities(path)
    before = list(found.history)
    passes = [list(found.blocks()) for _ in range(2)]
    assert [block.u_m.size for block in passes[0]] == [2] * 6
    assert sum(block.u_m.size for block in passes[0]) == found.n_rows
    for one, other in zip(*passes, strict=True):
        for name, first, second in zip(ROW_ARRAYS, one, other, strict=True):
            np.testing.assert_array_equal(first, second, err_msg=name)
    assert found.start_mjd_s == passes[0][0].time_mjd_s[0]
    # Row 6 of 20 has 5 channels of 2 hands, less those flagged.
    n_lost = np.count_nonzero(~value["FLAG"][6][:, [0, 3]])
    assert found.history == [*before, f"flagged {n_lost} correlations of zero weight"]


def test_mixed_data_descriptions_come_in_the_order_of_the_file(make_ms):
    """The same window with four correlations and with two, as after a change of set-up."""
    path, value = make_ms()
    main = tables.table(str(path), ack=False, readonly=False)
    description = tables.table(f"{path}/DATA_DESCRIPTION", ack=False, readonly=False)
    polarization = tables.table(f"{path}/POLARIZATION", ack=False, readonly=False)
    for table in (description, polarization):
        table.addrows(1)
    description.putcell("SPECTRAL_WINDOW_ID", 1, 0)
    description.putcell("POLARIZATION_ID", 1, 1)
    polarization.putcell("CORR_TYPE", 1, np.array([5, 8]))
    for row in range(0, 20, 3):
        main.putcell("DATA_DESC_ID", row, 1)
        for column in ("DATA", "FLAG", "WEIGHT"):
            main.putcell(column, row, np.ascontiguousarray(value[column][row][..., [0, 3]]))
    for table in (main, description, polarization):
        table.close()
    vis = read_visibilities(path)
    data, total, _ = expected_stokes_i(value, "DATA", [0, 3], np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1))
    # complex64 in the table: 1e-7 of numbers of order one.
    np.testing.assert_allclose(vis["vis"], data, atol=1e-6)
    np.testing.assert_allclose(vis["weight"], total, rtol=1e-6)
    same_rows(vis, value, np.ones(20, bool))


def test_weight_spectrum_that_is_not_everywhere_gives_way_to_weight(make_ms):
    """As in concatenated sets of which one has it; casacore cannot read such a column whole."""
    path, value = make_ms(spectrum=True)
    table = tables.table(str(path), ack=False, readonly=False)
    description = tables.makearrcoldesc("WEIGHT_SPECTRUM", 0.0, valuetype="float", ndim=2)
    table.removecols(["WEIGHT_SPECTRUM"])
    table.addcols(tables.maketabdesc([description]))
    for row in range(10):
        table.putcell("WEIGHT_SPECTRUM", row, value["WEIGHT_SPECTRUM"][row])
    table.close()
    vis = read_visibilities(path)
    _, total, _ = expected_stokes_i(value, "DATA", [0, 3], np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1))
    np.testing.assert_allclose(vis["weight"], total, rtol=1e-6)
    assert "weights from WEIGHT" in vis.manifest.history


def test_corrected_data_that_were_never_filled_in_give_way_to_data(make_ms):
    path, value = make_ms()
    table = tables.table(str(path), ack=False, readonly=False)
    table.addcols(tables.maketabdesc([tables.makearrcoldesc("CORRECTED_DATA", 0j, valuetype="complex", ndim=2)]))
    table.close()
    vis = read_visibilities(path)
    data, _, _ = expected_stokes_i(value, "DATA", [0, 3], np.repeat(value["WEIGHT"][:, None], N_CHANNELS, 1))
    np.testing.assert_allclose(vis["vis"], data, atol=1e-6)


def test_nothing_unusable_is_handed_on_and_the_count_is_of_the_whole_file(make_ms, monkeypatch):
    def edit(value):
        value["UVW"][[6, 16], 2] = np.nan

    path, _ = make_ms(edit=edit)
    monkeypatch.setattr(source, "BLOCK_BYTES", 8 * 4 * N_CHANNELS)
    (found,) = open_visibilities(path)
    seen: list[np.ndarray] = []
    with pytest.raises(ContractError, match="w_m that is NaN or infinite in 2 rows"):
        seen.extend(block.w_m for block in found.blocks())
    assert 0 < len(seen) < found.n_rows
    assert np.all(np.isfinite(np.concatenate(seen)))


def test_rows_flagged_altogether_may_hold_anything(make_ms):
    def edit(value):
        value["FLAG"][6], value["UVW"][6, 1], value["WEIGHT"][6] = True, np.nan, np.nan

    path, value = make_ms(edit=edit)
    vis = read_visibilities(path)
    cross = np.flatnonzero(value["ANTENNA1"] != value["ANTENNA2"])
    row = int(np.flatnonzero(cross == 6)[0])
    assert vis["v_m"][row] == 0.0
    assert np.all(vis["flag"][row])
    assert np.all(vis["weight"][row] == 0)


def flag_all(value):
    value["FLAG"][:] = True


def no_weight(value):
    value["WEIGHT"][:] = value["SIGMA"][:] = 0


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
        ({"edit": no_weight}, r"has WEIGHT and SIGMA that are 0 in all unflagged .* initweights"),
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


def test_channels_without_frequency(make_ms):
    path, _ = make_ms()
    table = tables.table(f"{path}/SPECTRAL_WINDOW", ack=False, readonly=False)
    for column in ("CHAN_FREQ", "CHAN_WIDTH"):
        table.putcell(column, 0, table.getcell(column, 0)[:3])
    table.close()
    with pytest.raises(ContractError, match="has 5 channels of data for 3 frequencies"):
        read_visibilities(path)


@pytest.mark.parametrize("column", ["FIELD_ID", "DATA_DESC_ID", "ANTENNA2"])
@pytest.mark.parametrize("number", [-1, 9])
def test_rows_of_entries_that_are_not_there(make_ms, column, number):
    path, _ = make_ms(edit=lambda value: value[column].__setitem__(6, number))
    with pytest.raises(ContractError, match="table lacks; export it again"):
        read_visibilities(path, field=0)


def test_missing_column(make_ms):
    path, _ = make_ms()
    table = tables.table(str(path), ack=False, readonly=False)
    table.removecols(["DATA"])
    table.close()
    with pytest.raises(ContractError, match="lacks column DATA or CORRECTED_DATA"):
        read_visibilities(path)


def test_damage_that_would_end_the_process_is_told_before(make_ms):
    path, _ = make_ms()
    file = path / "FIELD" / "table.dat"
    content = file.read_bytes()
    assert content.count(b"ArrayColumnDesc<double") > 0
    file.write_bytes(content.replace(b"ArrayColumnDesc<double", b"ArrayColumnDesc<dxuble", 1))
    with pytest.raises(ContractError, match=r"columns readable in FIELD/table.dat"):
        read_visibilities(path)


def crashing(path):
    """Damage a Measurement Set so that casacore reads a length from the middle of the name of a field."""
    file = path / "FIELD" / "table.f0"
    content = file.read_bytes()
    assert content.count(b"galaxy0") == 1
    file.write_bytes(content.replace(b"galaxy0", bytes(8) + b"galaxy0"))
    return path


def test_a_crash_of_casacore_is_one_line(make_ms):
    path = crashing(make_ms()[0])
    read = (
        "import sys, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); from casacore import tables; "
        "tables.table(sys.argv[1], ack=False).getcol('NAME')"
    )
    ended = subprocess.run([sys.executable, "-c", read, f"{path}/FIELD"], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGSEGV
    with pytest.raises(ContractError, match=r"FIELD makes casacore crash \(SIGSEGV\); copy or export") as error:
        read_visibilities(path)
    assert "\n" not in str(error.value)


def test_a_table_that_never_opens_is_one_line(make_ms):
    path, _ = make_ms()
    with pytest.raises(ContractError, match=r"table cannot be opened within 0\.001 s; copy the Measurement Set"):
        probe(path, limit_s=0.001)


def test_the_probe_imports_nothing_from_the_current_folder(make_ms, tmp_path, monkeypatch):
    path, _ = make_ms()
    (tmp_path / "casacore.py").write_text("import os; os.abort()")
    monkeypatch.chdir(tmp_path)
    probe(path)


def test_a_kill_for_memory_is_told_from_damage(make_ms, monkeypatch):
    path, _ = make_ms()
    killed = subprocess.CompletedProcess([], -signal.SIGKILL, b"MAIN\nANTENNA\n", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ContractError, match=r"its table ANTENNA took more memory than there is \(SIGKILL\)"):
        probe(path)


@pytest.mark.parametrize("odd", ["pipe", "device", "link out", "link to nothing"])
def test_what_is_no_file_in_the_folder_is_refused(make_ms, tmp_path, odd):
    path, _ = make_ms()
    victim = path / "FIELD" / "table.f0"
    victim.rename(tmp_path / "table.f0")
    if odd == "pipe":
        os.mkfifo(victim)
    else:
        victim.symlink_to({"device": "/dev/zero", "link out": tmp_path / "table.f0"}.get(odd, "absent"))
    with pytest.raises(ContractError, match=r"'FIELD/table.f0', which is a pipe, a device or a link"):
        read_visibilities(path)


def test_links_within_a_measurement_set_are_followed(make_ms):
    path, _ = make_ms()
    (path / "FIELD").rename(path / "SUBMSS")
    (path / "FIELD").symlink_to("SUBMSS")
    assert read_visibilities(path).manifest.observation.target == "galaxy0"


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
