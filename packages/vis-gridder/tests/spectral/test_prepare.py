import numpy as np
import pytest
from steelyard_schemas import ContractError, Visibilities, read_store
from vis_gridder import (
    GridSpec,
    Spectral,
    as_source,
    data_summary,
    grid,
    prepare,
    read_visibilities,
    suggest_grid,
    write_visibilities,
)
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S

POSITION_M = (2225061.164, -5440057.370, -2481681.150)  # ALMA
F, N = 230e9, 40


def noise(rng, shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.fixture
def night(make_vis):
    """Return a function that makes a data set with a line at one barycentric frequency, as one night saw it."""

    def make(mjd, frame="TOPO", n_channels=N, width_hz=1e6):
        rng = np.random.default_rng(int(mjd))
        n = 600
        times = mjd * 86400.0 + np.repeat(np.arange(n // 20), 20) * 10.0
        vis = make_vis(
            rng.uniform(-80, 80, n),
            rng.uniform(-80, 80, n),
            noise(rng, (n, n_channels)),
            times=times,
            baseline=np.arange(n) % 20,
            frequency_hz=F + width_hz * np.arange(n_channels),
            frequency_frame=frame,
            array_position_m=POSITION_M,
        )
        vis["channel_width_hz"][:] = width_hz
        return as_source(vis)

    return make


def test_data_at_rest_stay_as_they_are_and_topocentric_ones_go_to_lsrk(night):
    at_rest = night(59000.0, "BARY")
    assert prepare([at_rest], Spectral()) == [at_rest]
    moving = night(59000.0)
    (converted,) = prepare([moving], Spectral())
    assert converted.observation.frequency_frame == "LSRK"
    assert converted.frequency_hz[0] != moving.frequency_hz[0]
    assert prepare([moving], Spectral(frame="file")) == [moving]
    (bary,) = prepare([moving], Spectral(frame="BARY"))
    assert bary.observation.frequency_frame == "BARY"


def test_nights_half_a_year_apart_share_channels(night):
    # The Earth's velocity differs by up to 60 km/s, i.e. 46 MHz at 230 GHz: 40 channels of 1 MHz hardly overlap.
    summer, winter = night(59020.0, n_channels=120), night(59202.0, n_channels=120)
    both = prepare([summer, winter], Spectral())
    np.testing.assert_array_equal(both[0].frequency_hz, both[1].frequency_hz)
    assert 40 < both[0].frequency_hz.size < 120
    gridded = grid(both, GridSpec(1.5, 64))
    assert gridded.manifest.observation.frequency_frame == "LSRK"
    assert gridded["frequency_hz"].size == both[0].frequency_hz.size
    # Every sample of the common band is counted once, but for a channel at each end that drifts out.
    assert gridded["count"].sum() == pytest.approx(2 * 600 * gridded["frequency_hz"].size, rel=0.03)


def test_windows_of_unlike_channels_need_a_width(night):
    fine, coarse = night(59000.0, "LSRK", n_channels=80, width_hz=0.5e6), night(59001.0, "LSRK")
    with pytest.raises(ContractError, match="--channel-width-kms"):
        prepare([fine, coarse], Spectral())
    both = prepare([fine, coarse], Spectral(channel_width_kms=2.0, rest_frequency_hz=230.538e9))
    width_hz = 2.0 / 299792.458 * 230.538e9
    for source in both:
        np.testing.assert_allclose(np.diff(source.frequency_hz), width_hz)
    assert grid(both, GridSpec(1.5, 64))["mask"].any()


def test_continuum_goes_before_channels_are_averaged(night):
    # A line in one fine channel, which lies in a broad channel whose centre is in the line-free range: were channels
    # averaged first, the line would be fitted as continuum.
    source = night(59000.0, "LSRK")
    velocity = 299792.458 * (1 - source.frequency_hz / 230.538e9)
    line = 16
    (block,) = source.blocks()
    block.vis[:] = 5.0
    block.vis[:, line] += 10.0
    # Ten channels of four; the first fine channel of the fifth is the line.
    width_kms = 4.0 / 230.538e3 * 299792.458
    gap = (velocity[line] + velocity[line + 1]) / 2, (velocity[line] + velocity[line - 1]) / 2
    ranges = ((velocity.min() - 1, gap[0]), (gap[1], velocity.max() + 1))
    asked = Spectral(continuum_kms=ranges, channel_width_kms=width_kms, rest_frequency_hz=230.538e9)
    (done,) = prepare([source], asked)
    found = next(done.blocks()).vis
    assert found.shape[1] == 10
    # Fine channels of a broad one differ in weight by the leverage of the fit, w / (1 + h) and w / (1 - h): 4 %.
    np.testing.assert_allclose(found[:, line // 4], 10.0 / 4, rtol=0.05)
    np.testing.assert_allclose(np.delete(found, line // 4, axis=1), 0.0, atol=1e-5)


def test_summary_counts_and_measures(make_vis):
    u = np.array([0.0, 3.0, -4.0, 500.0])
    v = np.array([0.0, 4.0, 30.0, 0.0])
    flag = np.zeros((4, 2), bool)
    flag[3] = True
    flag[2, 0] = True
    weight = np.where(flag, 0.0, 2.0)
    found = data_summary([as_source(make_vis(u, v, np.ones((4, 2)), weight, flag, frequency_hz=[F, 1.01 * F]))])
    assert (found.n_rows, found.n_samples, found.n_flagged) == (4, 8, 3)
    assert found.longest_wavelengths == pytest.approx(30.0 * 1.01 * F / SPEED_OF_LIGHT_M_S)
    assert found.shortest_m == 5.0
    assert found.mean_weight == 2.0
    spec = suggest_grid(found)
    assert spec.cell_arcsec * ARCSEC == pytest.approx(1 / (2.2 * found.longest_wavelengths), rel=0.01)
    with pytest.raises(ContractError, match="no baseline of any length"):
        data_summary([as_source(make_vis(0 * u, 0 * v, np.ones((4, 2))))])


def test_a_stream_written_is_the_store_that_would_be_read(night, tmp_path):
    source = night(59000.0, "LSRK")
    seen = []
    manifest = write_visibilities(tmp_path / "vis.zarr", source, progress=lambda *done: seen.append(done))
    store = read_store(tmp_path / "vis.zarr", Visibilities)
    assert store.manifest == manifest
    assert seen[-1] == (600, 600)
    again = read_visibilities(tmp_path / "vis.zarr")
    for name, array in store.arrays.items():
        np.testing.assert_array_equal(again[name], array)
    with pytest.raises(ContractError, match="exists already"):
        write_visibilities(tmp_path / "vis.zarr", source)
