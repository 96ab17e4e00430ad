import dataclasses

import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.spectral.axes import target_axis
from vis_gridder.spectral.channels import to_axis, uniform_channels
from vis_gridder.spectral.doppler import FrameFactor, frame_factor
from vis_gridder.spectral.frames import convert_frame
from vis_gridder.stream.source import as_source, collect

F0, WIDTH = 230e9, 1e6


@pytest.fixture
def source(make_vis):
    """Return a function that makes a source from [row, channel] data, channels of 1 MHz from 230 GHz."""

    def make(vis, weight=None, flag=None, *, width_hz=WIDTH, start_hz=F0, times=None, **observation):
        rows = np.zeros(len(vis))
        times = rows + 59000.0 * 86400 if times is None else times
        frequency = start_hz + width_hz * np.arange(vis.shape[1])
        store = make_vis(
            rows, rows, np.asarray(vis), weight, flag, times=times, frequency_hz=frequency, **observation
        )
        made = as_source(store)
        return dataclasses.replace(made, channel_width_hz=np.full(vis.shape[1], width_hz))

    return make


def direct(data, start_hz, width_hz, n_channels, factor):
    """Return averages and weights by one loop over samples, and how far each average is off its centre."""
    n_rows = data["vis"].shape[0]
    total, weight, moment = (np.zeros((n_rows, n_channels), kind) for kind in (complex, float, float))
    for row in range(n_rows):
        for channel, frequency in enumerate(data["frequency_hz"] * factor[row]):
            nearest = int(np.argmin(np.abs(start_hz + width_hz * np.arange(n_channels) - frequency)))
            off = (frequency - start_hz) / width_hz - nearest
            if abs(off) < 0.5 and not data["flag"][row, channel]:
                w = data["weight"][row, channel]
                total[row, nearest] += w * data["vis"][row, channel]
                weight[row, nearest] += w
                moment[row, nearest] += w * off
    filled = weight > 0
    weight_or_one = np.where(filled, weight, 1.0)
    return total / weight_or_one, weight, (moment / weight_or_one)[filled]


def test_every_sample_goes_to_the_channel_that_contains_it(source):
    rng = np.random.default_rng(1)
    n_rows, n_channels = 40, 37
    vis = rng.standard_normal((n_rows, n_channels)) + 1j * rng.standard_normal((n_rows, n_channels))
    weight = rng.uniform(0.1, 3.0, vis.shape)
    flag = rng.random(vis.shape) < 0.3
    weight[flag] = 0
    vis[flag] = np.nan
    made = source(vis, weight, flag, times=59000.0 * 86400 + 600.0 * np.arange(n_rows))
    # The factor moves the band through more than two channels; the new band reaches beyond the old on both sides.
    factors = 1 + 1e-5 * np.linspace(-0.5, 0.5, n_rows)
    factor = FrameFactor(
        "LSRK", lambda t: 1 + 1e-5 * ((t - 59000.0 * 86400) / (600.0 * (n_rows - 1)) - 0.5), 1.0, None
    )
    start, width = F0 - 7.3e6, 2.7e6
    axis = {"start_hz": start, "width_hz": width, "n_channels": 20}
    found_source = uniform_channels(made, factor=factor, **axis)
    found = collect(found_source)
    expected, expected_weight, off = direct(collect(made), start, width, 20, factors)
    np.testing.assert_array_equal(found["flag"], expected_weight == 0)
    # float32 sums of a few samples.
    np.testing.assert_allclose(found["weight"], expected_weight, rtol=1e-6)
    np.testing.assert_allclose(found["vis"], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found["frequency_hz"], start + width * np.arange(20), rtol=1e-15)
    said = found_source.history[-1]
    assert f"up to {np.abs(off).max():.2g} of a channel, rms {np.sqrt(np.mean(off**2)):.2g}" in said
    # A second pass tells the same, once.
    assert collect(found_source).manifest.history == found.manifest.history


def test_identity_and_slices_hold_the_same_arrays(source):
    vis = np.arange(24.0).reshape(2, 12) + 0j
    made = source(vis)
    assert uniform_channels(made, start_hz=F0, width_hz=WIDTH, n_channels=12) is made
    axis = target_axis([made], "LSRK")
    assert to_axis(made, axis) is made
    assert np.shares_memory(next(to_axis(made, axis).blocks()).vis, next(made.blocks()).vis)
    part = uniform_channels(made, start_hz=F0 + 3 * WIDTH, width_hz=WIDTH, n_channels=5)
    block = next(part.blocks())
    assert np.shares_memory(block.vis, next(made.blocks()).vis)
    np.testing.assert_array_equal(block.vis, vis[:, 3:8])
    assert block.weight.shape == block.flag.shape == (2, 5)
    assert part.history == ["kept channels 3 to 7 of 12"]
    # A fixed factor with the axis that belongs to it only renames the channels.
    whole = to_axis(made, target_axis([made], "BARY"))
    assert np.shares_memory(next(whole.blocks()).vis, next(made.blocks()).vis)
    np.testing.assert_allclose(whole.frequency_hz, convert_frame(made, "BARY").frequency_hz, rtol=1e-14)
    # 0.3 of a channel beside: each new channel still holds one old one, and the history tells.
    beside = uniform_channels(made, start_hz=F0 + 0.3 * WIDTH, width_hz=WIDTH, n_channels=12)
    np.testing.assert_array_equal(next(beside.blocks()).vis, vis)
    assert beside.history[1] == "averages are off their channels' centres by up to 0.3 of a channel, rms 0.3"
    # Two old channels in the last new one are no slice.
    double = uniform_channels(made, start_hz=F0 + 0.5 * WIDTH, width_hz=2 * WIDTH, n_channels=1)
    np.testing.assert_array_equal(next(double.blocks()).vis[:, 0], vis[:, :2].mean(axis=1))
    # Beyond the band there is nothing to slice; the channels without data are flagged.
    beyond = collect(uniform_channels(made, start_hz=F0 - 2 * WIDTH, width_hz=WIDTH, n_channels=16))
    np.testing.assert_array_equal(beyond["vis"][:, 2:14], vis)
    np.testing.assert_array_equal(beyond["flag"].all(axis=0), [True] * 2 + [False] * 12 + [True] * 2)


def test_centres_on_an_edge_go_up_whatever_rounding_does(source):
    rng = np.random.default_rng(8)
    vis = np.tile(np.arange(21.0), (200, 1)) + 0j
    shaken = FrameFactor("LSRK", lambda t: 1 + 1e-13 * rng.uniform(-1, 1, t.size), 1.0, None)
    # Twice as wide, the new centres on the old ones 1, 3, 5 ...: every even one is on an edge.
    data = collect(
        uniform_channels(source(vis), start_hz=F0 + WIDTH, width_hz=2 * WIDTH, n_channels=10, factor=shaken)
    )
    np.testing.assert_array_equal(data["vis"], np.tile(0.5 + 2 * np.arange(10), (200, 1)))


def test_flagged_samples_do_not_count_even_with_a_weight(source):
    flag = np.array([[False, True, False, False]])
    made = source(np.array([[1.0, 100.0, 3.0, 5.0]]), np.ones((1, 4)), flag)
    data = collect(uniform_channels(made, start_hz=F0 + 0.5 * WIDTH, width_hz=2 * WIDTH, n_channels=2))
    np.testing.assert_array_equal(data["vis"], [[1.0, 4.0]])
    np.testing.assert_array_equal(data["weight"], [[1.0, 2.0]])


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("ratio", [1.0, 4.0, 3.3])
def test_flux_and_moments_of_a_line_are_conserved_to_the_misalignment(source, ratio, shift):
    frequency = F0 + WIDTH * np.arange(400)
    centre, sigma = F0 + 197.3 * WIDTH, 25.0 * WIDTH
    line = np.exp(-0.5 * ((frequency - centre) / sigma) ** 2)
    made = source(line[None, :] + 0j)
    width = ratio * WIDTH
    found = uniform_channels(
        made, start_hz=F0 + (0.5 * (ratio - 1) + shift) * WIDTH, width_hz=width, n_channels=int(395 / ratio)
    )
    data = collect(found)
    profile = data["vis"][0].real.astype(float)
    flux = profile.sum() * width
    mean = (profile * data["frequency_hz"]).sum() / profile.sum()
    second = (profile * (data["frequency_hz"] - mean) ** 2).sum() / profile.sum()
    # Averages over unequal numbers of samples (3 or 4) keep the flux to the ripple of their number times the
    # misalignment, both smooth against sigma; the top-hat of a channel adds width^2 / 12 - WIDTH^2 / 12 to sigma^2.
    assert flux == pytest.approx(np.sqrt(2 * np.pi) * sigma, rel=2e-3 if ratio == 3.3 else 1e-5)
    half = 0.5 * WIDTH
    assert abs(mean - centre) <= (shift * WIDTH if ratio != 3.3 else half) + 1e-3 * WIDTH
    broader = second - sigma**2 - (width**2 - WIDTH**2) / 12
    assert abs(broader) <= (1e-3 * sigma**2 if ratio != 3.3 else half**2)
    if shift == 0.0 and ratio != 3.3:
        assert not any("centres" in line for line in found.history)
    else:
        assert "centres" in found.history[-1]


def test_noise_is_one_over_the_summed_weight_and_channels_stay_independent(source):
    rng = np.random.default_rng(2)
    n_rows, n_channels = 20_000, 24
    weight = rng.uniform(0.3, 3.0, (n_rows, n_channels))
    noise = (rng.standard_normal(weight.shape) + 1j * rng.standard_normal(weight.shape)) / np.sqrt(weight)
    drift = FrameFactor("LSRK", lambda t: np.linspace(1.0, 1 + 3e-5, t.size), 1.0, None)
    made = source(noise, weight)
    data = collect(uniform_channels(made, start_hz=F0 + WIDTH, width_hz=3.5 * WIDTH, n_channels=6, factor=drift))
    whitened = data["vis"] * np.sqrt(data["weight"])
    good = ~data["flag"]
    # 2 x 20 000 samples a channel: 0.7 % in the variance, 0.5 % in a correlation; 4.5 sigma of each.
    assert np.sum(np.abs(whitened) ** 2, axis=0) / (2 * good.sum(axis=0)) == pytest.approx(np.ones(6), abs=0.032)
    correlation = np.mean((whitened[:, 1:] * whitened[:, :-1].conj()).real, axis=0) / 2
    assert np.abs(correlation).max() < 0.023


def test_the_observatorys_drift_over_a_day_is_tracked(source):
    """A line fixed in LSRK, observed in TOPO for a day with channels of 65 m/s, comes out where it is."""
    width = 50e3
    times = 59000.0 * 86400 + np.linspace(0, 86400, 150)
    sky = {"frequency_frame": "TOPO", "phase_centre_ra_deg": 120.0, "phase_centre_dec_deg": -5.0}
    empty = source(np.zeros((150, 1)), times=times, **sky)
    factor = frame_factor(empty, "LSRK").at(times)
    start, sigma = F0, 3 * width
    topo = start + width * np.arange(300)
    line_lsrk = (start + 150 * width) * factor[0]
    spectra = np.exp(-0.5 * ((topo * factor[:, None] - line_lsrk) / sigma) ** 2)
    # Uncorrected, the line wanders by many channels.
    assert np.ptp(line_lsrk / factor) > 10 * width
    made = source(spectra + 0j, times=times, start_hz=start, width_hz=width, **sky)
    found = convert_frame(made, "LSRK")
    assert found.observation.frequency_frame == "LSRK"
    assert found.frequency_hz[0] == pytest.approx(start * factor[0], rel=1e-14)
    data = collect(found)
    profile = np.where(data["flag"], 0, data["vis"].real).astype(float)
    centroid = (profile * data["frequency_hz"]).sum(axis=1) / profile.sum(axis=1)
    # Undivided samples are moved by up to half a channel in each row, and by nothing on average.
    assert np.abs(centroid - line_lsrk).max() < 0.51 * width
    assert np.abs(np.mean(centroid) - line_lsrk) < 0.1 * width
    stacked = profile.mean(axis=0)
    mean = (stacked * data["frequency_hz"]).sum() / stacked.sum()
    second = (stacked * (data["frequency_hz"] - mean) ** 2).sum() / stacked.sum()
    # Uniform offsets of half a channel each way add a twelfth of its square.
    assert second == pytest.approx(sigma**2 + width**2 / 12, rel=2e-3)
    assert "TOPO to LSRK" in found.history[0]
    assert "centres" in found.history[1]


def test_one_axis_for_data_sets_of_different_dates_frames_and_bands(source):
    rest = 230.538e9
    one, two, three = (np.zeros((2, n), complex) for n in (100, 80, 90))
    spring = source(one, frequency_frame="TOPO", times=np.full(2, 59000.0 * 86400))
    autumn = source(two, frequency_frame="TOPO", times=np.full(2, 59180.0 * 86400), start_hz=F0 + 10.2 * WIDTH)
    bary = source(three, frequency_frame="BARY", start_hz=F0 + 5 * WIDTH)
    sources = [spring, autumn, bary]
    axis = target_axis(sources, "LSRK")
    # On the first one's own channels, as they are in LSRK.
    factor = frame_factor(spring, "LSRK").at_start
    steps = (axis.frequency_hz / factor - F0) / WIDTH
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    for made in sources:
        made_factor = frame_factor(made, "LSRK").at_start
        band = made.frequency_hz[[0, -1]] * made_factor
        # Covered to half a channel, and one more channel on either side would not be.
        assert band[0] - WIDTH * 1.01 <= axis.frequency_hz[0]
        assert band[1] + WIDTH * 1.01 >= axis.frequency_hz[-1]
        data = collect(to_axis(made, axis))
        assert not data["flag"].any()
        np.testing.assert_array_equal(data["frequency_hz"], axis.frequency_hz)
        assert data.manifest.observation.frequency_frame == "LSRK"
    starts = [m.frequency_hz[0] * frame_factor(m, "LSRK").at_start for m in sources]
    ends = [m.frequency_hz[-1] * frame_factor(m, "LSRK").at_start for m in sources]
    assert axis.n_channels == pytest.approx((min(ends) - max(starts)) / WIDTH + 1, abs=1.0)
    wide = target_axis(sources, "LSRK", width_kms=5.0, rest_frequency_hz=rest)
    assert wide.width_hz == pytest.approx(5.0 / SPEED_OF_LIGHT_KMS * rest, rel=1e-12)
    assert wide.start_hz - 0.5 * wide.width_hz == pytest.approx(axis.start_hz - 0.5 * axis.width_hz, abs=1.0)
    assert wide.n_channels == int(axis.n_channels * axis.width_hz / wide.width_hz)
    # Channels four times as wide hold four each, to the last.
    four = 4 * WIDTH / F0 * SPEED_OF_LIGHT_KMS
    same = source(np.zeros((1, 16), complex))
    assert target_axis([same], "LSRK", width_kms=four, rest_frequency_hz=F0).n_channels == 4
    assert target_axis([same], "LSRK").n_channels == 16


@pytest.mark.parametrize("shift", [-3.4, -2.6, 2.4, 2.6])
def test_the_overlap_counts_channels_covered_to_a_half(source, shift):
    first = source(np.zeros((1, 20), complex))
    other = source(np.zeros((1, 20), complex), start_hz=F0 + shift * WIDTH)
    axis = target_axis([first, other], "LSRK")
    # A band that begins 2.4 channels later leaves out 2, one that begins 2.6 later 3; likewise at the end.
    gone = round(abs(shift))
    assert axis.n_channels == 20 - gone
    assert (axis.start_hz - F0) / WIDTH == pytest.approx(gone if shift > 0 else 0, abs=1e-6)


def test_what_cannot_share_channels_says_so(source):
    made = source(np.zeros((1, 20), complex))
    far = source(np.zeros((1, 20), complex), start_hz=F0 + 30 * WIDTH)
    fine = source(np.zeros((1, 40), complex), width_hz=0.5 * WIDTH)
    nameless = source(np.zeros((1, 20), complex), rest_frequency_hz=None)
    with pytest.raises(ContractError, match=r"shares no channel.*229\.99.*230\.0495.*leave one out"):
        target_axis([made, far], "LSRK")
    with pytest.raises(ContractError, match=r"500000 to 1e\+06 Hz wide.*--channel-width-kms"):
        target_axis([made, fine], "LSRK")
    assert target_axis([made, fine], "LSRK", width_kms=1.31).n_channels == 19
    with pytest.raises(ContractError, match=r"narrower than the data's; choose 1\.301 km/s or more"):
        target_axis([made, fine], "LSRK", width_kms=1.0)
    with pytest.raises(ContractError, match="less than one channel of 40 km/s"):
        target_axis([made], "LSRK", width_kms=40.0)
    with pytest.raises(ContractError, match="does not give the rest frequency"):
        target_axis([nameless], "LSRK", width_kms=4.0)
    with pytest.raises(ContractError, match=r"TOPO is another frame at every moment.*LSRK or BARY"):
        target_axis([made, made], "TOPO")
    with pytest.raises(ContractError, match=r"too wide for new ones.*choose wider"):
        uniform_channels(made, start_hz=F0, width_hz=0.9 * WIDTH, n_channels=5)
    with pytest.raises(ContractError, match="none of the channels wanted"):
        uniform_channels(made, start_hz=F0 + 40 * WIDTH, width_hz=WIDTH, n_channels=5)
    for start_hz, width_hz, n_channels in ((F0, WIDTH, 0), (F0, -WIDTH, 3), (np.nan, WIDTH, 3)):
        with pytest.raises(ContractError, match="all must be positive"):
            uniform_channels(made, start_hz=start_hz, width_hz=width_hz, n_channels=n_channels)


def test_a_single_channel_keeps_its_width(source):
    made = source(np.ones((2, 1), complex))
    axis = target_axis([made], "BARY")
    assert axis.width_hz == pytest.approx(WIDTH, rel=1e-3)
    assert collect(to_axis(made, axis))["vis"].shape == (2, 1)
