import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder.spectral.continuum import subtract_continuum
from vis_gridder.spectral.velocity import radio_velocity_kms
from vis_gridder.stream.source import as_source, collect

LINE_FREE = [(0, 19), (70, 99)]
N = 100


@pytest.fixture
def source(make_vis):
    def make(vis, weight=None, flag=None, **observation):
        rows = np.zeros(len(vis))
        return as_source(make_vis(rows, rows, np.asarray(vis), weight, flag, **observation))

    return make


def polynomial(rng, n_rows, order):
    """Return a different complex polynomial for each row, [row, channel], in powers of the channel."""
    x = np.linspace(-1, 1, N) + 0.3
    coefficients = rng.standard_normal((n_rows, order + 1)) + 1j * rng.standard_normal((n_rows, order + 1))
    return coefficients @ x ** np.arange(order + 1)[:, None]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_polynomials_go_and_lines_stay(source, order):
    rng = np.random.default_rng(order)
    continuum = polynomial(rng, 30, order)
    line = np.where((np.arange(N) >= 20) & (np.arange(N) < 70), np.exp(-0.02 * (np.arange(N) - 45.0) ** 2), 0) * 2j
    weight = rng.uniform(0.2, 4.0, continuum.shape)
    flag = rng.random(continuum.shape) < 0.2  # with a weight left, which must not count
    data = np.where(flag, np.nan, continuum + line)
    found = subtract_continuum(source(data, weight, flag), channel_ranges=LINE_FREE, order=order)
    store = collect(found)
    good = ~flag
    # Data of order one in float32; an error of 1e-7 in the fit's samples grows little within the band.
    assert np.abs(store["vis"] - line)[good].max() < 2e-6
    np.testing.assert_array_equal(store["flag"], flag)
    assert np.all(store["weight"][flag] == 0)
    assert found.history[0] == (
        f"subtracted a polynomial of order {order} fitted to 50 line-free channels (0-19, 70-99)"
    )
    # One order less does not do.
    if order:
        short = collect(subtract_continuum(source(data, weight, flag), channel_ranges=LINE_FREE, order=order - 1))
        assert np.abs(short["vis"] - line)[good].max() > 0.1


@pytest.mark.parametrize("order", [0, 1, 3])
def test_weights_are_the_inverse_variances_of_what_is_left(source, order):
    rng = np.random.default_rng(10 + order)
    n_rows = 12_000
    # Few fitted channels, so that the fit's noise shows; one carries most of the weight.
    ranges = [(0, 4), (16, 19)]
    weight = np.tile(rng.uniform(0.5, 2.0, 20), (n_rows, 1))
    weight[:, 2] = 8.0
    noise = (rng.standard_normal((n_rows, 20)) + 1j * rng.standard_normal((n_rows, 20))) / np.sqrt(weight)
    found = subtract_continuum(source(noise, weight), channel_ranges=ranges, order=order)
    store = collect(found)
    variance = np.mean(np.abs(store["vis"].astype(complex)) ** 2, axis=0) / 2
    # 24 000 samples a channel know the variance to 0.9 %; the largest of 20 is within 3.4 sigma nearly always.
    assert variance * store["weight"][0] == pytest.approx(np.ones(20), abs=0.031)
    fitted = np.r_[0:5, 16:20]
    assert np.all(store["weight"][0, fitted] > weight[0, fitted].astype(np.float32))
    outside = np.setdiff1d(np.arange(20), fitted)
    growth = weight[0, outside] / store["weight"][0, outside] - 1
    assert np.all(growth > 0)
    # The trace of the hat matrix is the number of coefficients.
    assert np.sum(1 - weight[0, fitted] / store["weight"][0, fitted]) == pytest.approx(order + 1, rel=1e-5)
    assert found.history[1].startswith(f"the continuum's noise adds up to {100 * growth.max():.2g} %")
    # Fitted and other channels stay uncorrelated; two that are not fitted share the continuum's noise.
    white = store["vis"] * np.sqrt(store["weight"])
    correlation = (white.T @ white.conj()).real / (2 * n_rows)
    assert np.abs(correlation[np.ix_(fitted, outside)]).max() < 4.5 / np.sqrt(2 * n_rows)


def test_the_variance_of_all_channels_together_matches_to_two_percent(source):
    rng = np.random.default_rng(5)
    weight = rng.uniform(0.5, 2.0, (4000, 40))
    flag = rng.random(weight.shape) < 0.3
    weight[flag] = 0
    noise = (rng.standard_normal(weight.shape) + 1j * rng.standard_normal(weight.shape)) / np.sqrt(
        np.where(flag, 1, weight)
    )
    store = collect(subtract_continuum(source(noise, weight, flag), channel_ranges=[(0, 7), (32, 39)], order=1))
    chi_square = np.abs(store["vis"].astype(complex)) ** 2 * store["weight"] / 2
    inside = np.r_[0:8, 32:40]
    for channels in (inside, np.arange(8, 32)):
        good = ~store["flag"][:, channels]
        # 45 000 and 67 000 complex samples, one in eight of it taken by the fit: 0.6 % at most, three sigma.
        assert chi_square[:, channels][good].mean() == pytest.approx(1.0, abs=0.02)


def test_velocity_ranges_choose_the_channels_within(source):
    rng = np.random.default_rng(6)
    made = source(polynomial(rng, 3, 1) + rng.standard_normal((3, N)))
    velocity = radio_velocity_kms(made.frequency_hz, 230.538e9)
    # Ends just beyond the centres of channels 19 and 0, and of 99 and 70: velocity falls with frequency.
    by_velocity = [(velocity[19] - 0.1, velocity[0] + 0.1), (velocity[99] - 0.1, velocity[70] + 0.1)]
    one = subtract_continuum(made, velocity_ranges_kms=by_velocity)
    two = subtract_continuum(made, channel_ranges=LINE_FREE)
    np.testing.assert_array_equal(collect(one)["vis"], collect(two)["vis"])
    assert one.history == two.history
    # Another rest frequency means other channels.
    moved = subtract_continuum(made, velocity_ranges_kms=by_velocity[:1], rest_frequency_hz=230.528e9)
    assert "10 line-free channels (0-9)" in moved.history[0]


def test_rows_without_enough_good_channels_are_flagged_and_counted(source):
    rng = np.random.default_rng(7)
    vis = polynomial(rng, 5, 2)
    flag = np.zeros(vis.shape, bool)
    line_free = np.r_[0:20, 70:100]
    flag[1, line_free] = True
    flag[2, line_free[2:]] = True
    flag[3, line_free[3:]] = True
    found = subtract_continuum(source(vis, np.where(flag, 0, 1.0), flag), channel_ranges=LINE_FREE, order=2)
    store = collect(found)
    assert store["flag"].all(axis=1).tolist() == [False, True, True, False, False]
    assert np.all(store["weight"][1:3] == 0)
    assert found.history[-1] == "flagged 2 of 5 rows, which have too few good line-free channels"
    # Three samples decide a parabola and keep no noise of their own: no information is left in them.
    np.testing.assert_array_equal(store["flag"][3, :3], True)
    assert not store["flag"][3, 20:70].any()
    # Extrapolated from the edge, the continuum there is worth almost nothing, and the weights know.
    assert np.all(store["weight"][3, 20:70] < 1e-3)
    assert collect(found).manifest.history == store.manifest.history


def test_two_channels_never_pass_for_three_by_rounding(source):
    rng = np.random.default_rng(9)
    weight = np.zeros((500, N))
    weight[:, 20:] = 1
    for row in weight:
        row[rng.choice(20, 2, replace=False)] = rng.uniform(0.1, 10, 2)
    flag = weight == 0
    store = collect(subtract_continuum(source(np.ones(flag.shape), weight, flag), channel_ranges=[(0, 19)], order=2))
    assert store["flag"].all()


def test_bad_choices_say_so(source):
    made = source(np.ones((2, N), complex))
    with pytest.raises(ContractError, match="order 4; choose 0 to 3"):
        subtract_continuum(made, channel_ranges=LINE_FREE, order=4)
    for both in ({}, {"channel_ranges": LINE_FREE, "velocity_ranges_kms": [(0, 1)]}):
        with pytest.raises(ContractError, match="one of the two"):
            subtract_continuum(made, **both)
    for reach in ((5, 3), (-1, 4), (0, 100)):
        with pytest.raises(ContractError, match=f"channels 0 to 99, which the range {reach[0]} to {reach[1]}"):
            subtract_continuum(made, channel_ranges=[reach])
    with pytest.raises(
        ContractError, match=r"no channel from 5000 to 6000 km/s; its channels are at 570\.9 to 699\.6"
    ):
        subtract_continuum(made, velocity_ranges_kms=[(5000, 6000)])
    with pytest.raises(ContractError, match="has 2 line-free channels in the ranges, too few for order 2"):
        subtract_continuum(made, channel_ranges=[(0, 1)], order=2)
    nameless = source(np.ones((2, N), complex), rest_frequency_hz=None)
    with pytest.raises(ContractError, match="does not give the rest frequency"):
        subtract_continuum(nameless, velocity_ranges_kms=[(600, 650)])
