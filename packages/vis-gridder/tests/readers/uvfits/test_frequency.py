"""UVFITS: which way an IF's channels run, where they are, and each IF's rest frequency."""

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import ContractError
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.spectral.velocity import radio_velocity_kms
from vis_gridder.stream.history import assumptions

CENTRE_HZ, WIDTH_HZ, N_CHANNELS = 229.2353275625e9, 12303871.9006, 28
CO_HZ, CO13_HZ = 115.271202e9, 110.201354e9


def two_ifs(n_channels=2):
    return np.ones((3, 2, n_channels, 2), complex)


def ends_ghz(path, spw):
    frequency = read_visibilities(path, spw=spw)["frequency_hz"]
    return frequency[[0, -1]] / 1e9


@pytest.mark.parametrize("offset_hz", [0.0, 3e9])
def test_each_if_runs_its_own_way(write_uvfits, offset_hz):
    """CASA's signed widths: IF 1 descends, IF 2 ascends, about channel 15 of 28.

    By hand, with w = 0.0123038719006 GHz: 229.2353275625 - 14 w = 229.0630733559, + 13 w = 229.3952778972, and
    mirrored 229.2353275625 - 13 w = 229.0753772278, + 14 w = 229.4075817691.
    """
    data = two_ifs(N_CHANNELS).cumsum(axis=2)  # 1 in the first channel to 28 in the last
    data = data * np.arange(1, len(data) + 1)[:, None, None, None]  # no row repeats the one before
    path = write_uvfits(
        data,
        np.ones(data.shape),
        frequency=(CENTRE_HZ, -WIDTH_HZ),
        reference_channel=15,
        fq={"IF FREQ": [0, offset_hz], "CH WIDTH": [-WIDTH_HZ, WIDTH_HZ], "SIDEBAND": [-1, 1]},
    )
    first, second = (read_visibilities(path, spw=i) for i in (0, 1))
    np.testing.assert_allclose(first["frequency_hz"][[0, -1]] / 1e9, [229.0753772278, 229.4075817691], rtol=1e-12)
    shift = offset_hz / 1e9
    np.testing.assert_allclose(
        second["frequency_hz"][[0, -1]] / 1e9, [229.0630733559 + shift, 229.3952778972 + shift], rtol=1e-12
    )
    np.testing.assert_array_equal(first["vis"][0, [0, -1]].real, [28, 1])
    np.testing.assert_array_equal(second["vis"][0, [0, -1]].real, [1, 28])
    assert not [line for vis in (first, second) for line in assumptions(vis.manifest.history) if "channels" in line]


ORDERS = {
    "AIPS's lower sideband second": (1, [1, 1], [1, -1], "AIPS", (1, -1), 0),
    "AIPS's lower sideband first": (-1, [1, 1], [-1, 1], "AIPS", (-1, 1), 0),
    "AIPS's lower sideband, CDELT without sign": (1, [1, 1], [-1, 1], "AIPS", (-1, 1), 1),
    "CASA's receiver sideband": (1, [1, 1], [-1, -1], "casacore", (1, 1), 2),
    "CASA's lower sideband second": (1, [1, 1], [1, -1], "casacore", (1, -1), 1),
    "CASA's second IF descends": (1, [1, -1], [1, -1], "casacore", (1, -1), 0),
    "no sideband known": (-1, [-1, 1], [0, 0], "CASA", (-1, 1), 0),
    "widths without sign": (-1, [1, 1], [1, 1], "AIPS", (-1, -1), 2),
    "Memo 117's product": (1, [-1, -1], [-1, -1], "AIPS", (1, 1), 2),
}


@pytest.mark.parametrize("case", ORDERS)
def test_order_of_channels_as_aips_and_casa_write_it(write_uvfits, case):
    header_sign, widths, bands, origin, expected, n_assumed = ORDERS[case]
    data = two_ifs(3)
    data[:, :, 2] = 7
    path = write_uvfits(
        data,
        np.ones(data.shape),
        frequency=(1.4e9, header_sign * 1e5),
        fq={"CH WIDTH": 1e5 * np.array(widths), "SIDEBAND": bands},
        header=[("ORIGIN", origin)],
    )
    found = [read_visibilities(path, spw=i) for i in (0, 1)]
    for i, (vis, sign) in enumerate(zip(found, expected, strict=True)):
        begin = 1.4e9 + 1e7 * i
        # The file's last channel holds 7.
        assert vis["frequency_hz"][vis["vis"][0].real == 7] == pytest.approx([begin + sign * 2e5])
    lines = [line for vis in found for line in assumptions(vis.manifest.history) if "channels" in line]
    assert len(lines) == n_assumed


@pytest.mark.parametrize(
    ("header_sign", "widths", "bands", "message"),
    [
        (1, [-1, 1], [1, 1], "says by CDELT that the channels of IF 1 ascend, by CH WIDTH that they do not"),
        (-1, [1, -1], [1, -1], "says by CDELT that the channels of IF 1 descend, by CH WIDTH"),
        (-1, [1, 1], [1, -1], "says by CDELT that the channels of IF 1 descend, by SIDEBAND"),
        (-1, [-1, 1], [-1, -1], "positive CH WIDTH and SIDEBAND -1 for IF 2"),
    ],
)
def test_orders_that_contradict_each_other_are_refused(write_uvfits, header_sign, widths, bands, message):
    data = two_ifs()
    path = write_uvfits(
        data,
        np.ones(data.shape),
        frequency=(1.4e9, header_sign * 1e5),
        fq={"CH WIDTH": 1e5 * np.array(widths), "SIDEBAND": bands},
    )
    with pytest.raises(ContractError, match=message):
        read_visibilities(path, spw=1)


def test_a_width_close_to_the_header_is_its_own(write_uvfits):
    """Half a percent is 5 channels in 1000."""
    data = two_ifs(1000)
    path = write_uvfits(data, np.ones(data.shape), fq={"CH WIDTH": [1e5, 1.005e5]})
    np.testing.assert_allclose(ends_ghz(path, 1), [1.41, 1.41 + 999 * 1.005e-4], rtol=1e-9)


def test_each_if_has_its_own_rest_frequency(write_uvfits):
    """13CO at 500 to 540 km/s in IF 2: with CO's rest frequency it is at 13,700."""
    data = two_ifs(5)
    begin, end = (CO13_HZ * (1 - v / 299792.458) for v in (540.0, 500.0))
    path = write_uvfits(
        data,
        np.ones(data.shape),
        frequency=(115.0e9, (end - begin) / 4),
        fq={"IF FREQ": [0, begin - 115.0e9]},
        su={"RESTFREQ": [CO_HZ, CO13_HZ]},
    )
    vis = read_visibilities(path, spw=1)
    assert vis.manifest.observation.rest_frequency_hz == CO13_HZ
    velocity = radio_velocity_kms(vis["frequency_hz"], vis.manifest.observation.rest_frequency_hz)
    np.testing.assert_allclose(velocity[[0, -1]], [540.0, 500.0], atol=0.01)
    assert read_visibilities(path, spw=0).manifest.observation.rest_frequency_hz == CO_HZ


def test_one_rest_frequency_for_several_ifs_is_assumed(write_uvfits):
    data = two_ifs()
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), su={"RESTFREQ": [CO_HZ]}), spw=1)
    assert vis.manifest.observation.rest_frequency_hz == CO_HZ
    assert any("RESTFREQ 115271202000 Hz for IF 2" in line for line in assumptions(vis.manifest.history))


def test_frequency_offset_of_source_and_if_is_added(write_uvfits):
    """AIPS Memo 117, section 4.17: FREQOFF is of the source and the IF, and part of the observed frequency."""
    data = two_ifs()
    path = write_uvfits(
        data,
        np.ones(data.shape),
        sources=("A", "B"),
        source_of_row=np.array([1, 2, 2]),
        su={"FREQOFF": [[0, 0], [3e4, -2.5e5]]},
    )
    found = [read_visibilities(path, field=field, spw=spw)["frequency_hz"][0] for field in "AB" for spw in (0, 1)]
    np.testing.assert_allclose(found, [1.4e9, 1.41e9, 1.4e9 + 3e4, 1.41e9 - 2.5e5], rtol=1e-12)


def setups(write_uvfits, freqsel, **more):
    """Two setups: IFs at 1.40 and 1.41 GHz, and at 1.60 and 1.62, the latter of 2e5 Hz channels."""
    data = two_ifs() * np.arange(1, 4)[:, None, None, None]
    fq = {
        "IF FREQ": [[0, 1e7], [2e8, 2.2e8]],
        "CH WIDTH": [[1e5, 1e5], [2e5, 2e5]],
        "SIDEBAND": np.ones((2, 2)),
    }
    extra = {} if freqsel is None else {"FREQSEL": np.array(freqsel)}
    return write_uvfits(data, np.ones(data.shape), fq=fq, extra=extra, **more)


def test_a_setup_is_chosen_like_a_window(write_uvfits):
    path = setups(write_uvfits, [1, 2, 1])
    with pytest.raises(ContractError, match=r"0 \(FREQSEL 1 IF 1\), .*3 \(FREQSEL 2 IF 2\)"):
        read_visibilities(path)
    for spw, start, values in (("FREQSEL 1 IF 2", 1.41e9, [1, 3]), (2, 1.6e9, [2]), ("FREQSEL 2 IF 2", 1.62e9, [2])):
        vis = read_visibilities(path, spw=spw)
        np.testing.assert_allclose(
            vis["frequency_hz"], start + (2e5 if spw != "FREQSEL 1 IF 2" else 1e5) * np.arange(2)
        )
        np.testing.assert_allclose(vis["vis"][:, 0], values)
    with pytest.raises(ContractError, match="different channel widths"):
        open_visibilities(path, spw="all")
    assert [found.n_rows for found in open_visibilities(path, spw="all", allow_mixed_widths=True)] == [2, 2, 1, 1]


@pytest.mark.parametrize(
    ("freqsel", "message"),
    [
        (None, r"several frequency setups in its FQ table \(1, 2\) and no FREQSEL"),
        ([3, 3, 3], r"frequency setup 3 \(FREQSEL\), but its FQ table only has 1, 2"),
        ([-1, -1, -1], "frequency setup -1"),
    ],
)
def test_a_setup_that_is_not_in_the_table_is_refused(write_uvfits, freqsel, message):
    with pytest.raises(ContractError, match=message):
        read_visibilities(setups(write_uvfits, freqsel), spw=0)


def test_several_ifs_need_a_frequency_table(write_uvfits):
    data = two_ifs()
    path = write_uvfits(data, np.ones(data.shape))
    with fits.open(path) as hdus:
        del hdus["AIPS FQ"]
        hdus.writeto(path, overwrite=True)
    with pytest.raises(ContractError, match="2 IFs but no AIPS FQ table"):
        read_visibilities(path, spw=1)


def test_frequency_tables_that_differ_are_refused(write_uvfits):
    data = two_ifs()
    path = write_uvfits(data, np.ones(data.shape))
    with fits.open(path) as hdus:
        hdus.append(hdus["AIPS FQ"].copy())
        hdus[-1].ver = 2
        hdus.writeto(path, overwrite=True)
        assert read_visibilities(path, spw=1)["frequency_hz"][0] == 1.41e9
        hdus[-1].data["IF FREQ"] = [[0, 5e7]]
        hdus.writeto(path, overwrite=True)
    with pytest.raises(ContractError, match=r"several AIPS FQ tables that differ \(versions 1, 2\)"):
        read_visibilities(path, spw=1)


@pytest.mark.parametrize(("velref", "frame"), [(257, "LSRK"), (2, "BARY"), (259, "TOPO"), (261, "GEO")])
def test_frame_by_velref_is_assumed(write_uvfits, velref, frame):
    data = two_ifs()
    vis = read_visibilities(write_uvfits(data, np.ones(data.shape), header=[("VELREF", velref)]), spw=0)
    assert vis.manifest.observation.frequency_frame == frame
    assert any(f"{frame} (VELREF {velref})" in line for line in assumptions(vis.manifest.history))
